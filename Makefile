# SignalBridge. `make` and `make help` print the lines that begin with ##.

## For users, from a fresh clone with a Swift 6.1 toolchain:
##
##   make demo               starts a daemon, signals it from another process, and prints what it got
##   make test               runs the tests of Swift, C and the documentation, in about five minutes
##   make examples           builds, runs and signals each example; fetches packages, needs more tools
##   make docs               builds the documentation in .build/docs; PORT=8000 serves it as well
##   make install            installs the C target as a C library; PREFIX, DESTDIR; needs no Swift
##   make uninstall          removes what `make install` installed
##
## For those who change it:
##
##   make check              everything that must pass: lint, checks, tests, sanitizers, quick proofs
##   make format             formats Swift and C
##   make lint               what `make format` would change; long sentences; dead links
##   make guide              writes the articles as plain Markdown, in docs/guide
##   make test-swift         a part of `make test`: the Swift tests
##   make test-c             the C tests; `make test` leaves out the slow ones
##   make test-documentation a part of `make test`: the code that the documentation shows
##   make test-library       a part of `make check`: the installed C library
##   make test-integration   a part of `make check`: packages that depend on this one
##   make test-situations    a part of `make check`: daemons under timeout, npm, terminals and others
##   make test-adapters      the adapters, with each package trait; fetches packages
##   make sanitize           the tests again, under the thread and address sanitizers
##   make layers             prints the C files in layers, and fails at a cycle
##   make symbols            what signal context calls, and the public C names
##   make budgets            lines, bytes and system calls of the C target, against their budgets
##   make darwin             compiles for macOS, on Linux; darwin-tests: the tests too
##   make prove              an hour: each instruction, models, mutants, failing calls, soak
##   make prove-quick        the quick part of it
##   make bench              10 minutes: this library and its peers, in tables; bench-peers installs these
##   make bench-counts       a part of it: system calls and instructions for each signal
##   make bench-baseline     writes those counts of this library, which `make check` compares with
##   make footprint          the size of programs and the time of builds, against their budgets
##   make supervisors        a daemon under systemd (as root), s6, runit and others; writes their table
##   make clean              removes what was built
##
## For releases:
##
##   make api                compares the public Swift declarations with Tests/expected
##   make api-baseline       writes those lists, after a change that is meant
##   make release-check      compares the version in header, tag, CHANGELOG, package and build files
##
## A tool that is missing is named in one line. As root on Debian it is installed.

SWIFT ?= swift
SCRATCH := .build
# Two cores and some hundred child processes: all at once, everybody starves. Older toolchains do not know the option.
WIDTH = $(shell $(SWIFT) test --help-hidden 2>/dev/null | grep -o -- '--experimental-maximum-parallelization-width' | head -1 | sed 's/$$/ 16/')
C_FILES = $(shell find Sources Tests Examples Benchmarks -name .build -prune -o -name '*.[ch]' -print -o -name '*.cpp' -print)
SWIFT_FILES = Package.swift $(shell find Sources Snippets Tests Examples Benchmarks -name '.build*' -prune -o -name '*.swift' -print)

.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' Makefile)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

toolchain:
ifeq ($(shell command -v $(SWIFT)),)
	@echo "$(SWIFT) is missing: install a Swift 6.1 toolchain (swift.org/install)"; exit 1
endif

demo: toolchain
	@touch Examples/Package.swift # or SwiftPM overlooks new files of the library
	@$(SWIFT) build --package-path Examples --scratch-path $(SCRATCH)/examples --product daemon
	@$(SWIFT) build --package-path Examples --scratch-path $(SCRATCH)/examples --product demo
	@$(SCRATCH)/examples/debug/demo

# Fetches SwiftNIO, Hummingbird, gRPC and others. Needs Swift 6.2, Python 3, SQLite, zlib, libevent, libuv, libsystemd and
# mosquitto.
examples: examples-servers examples-terminal examples-c test-adapters supervisors-quick

examples-servers: toolchain
	@touch Examples/Package.swift Examples/Recipes/Package.swift
	@Tests/tools/need.sh sqlite3.pc libsqlite3-dev
	@Tests/tools/need.sh zlib.pc zlib1g-dev
	$(SWIFT) build --package-path Examples --scratch-path $(SCRATCH)/examples
	$(SWIFT) build --package-path Examples/Recipes --scratch-path $(SCRATCH)/recipes
	Examples/check.sh $(SCRATCH)/examples/debug $(SCRATCH)/recipes/debug
	Examples/Recipes/check.sh $(SCRATCH)/recipes/debug

examples-terminal: toolchain
	@touch Examples/Terminal/Package.swift
	@Tests/tools/need.sh python3
	$(SWIFT) build --build-tests --package-path Examples/Terminal --scratch-path $(SCRATCH)/terminal-examples
	SWIFT=$(SWIFT) Examples/Terminal/check.py $(SCRATCH)/terminal-examples/debug

examples-c: toolchain
	SWIFTC=$(SWIFT)c Examples/check-c.sh $(SCRATCH)/c-examples
	SWIFT=$(SWIFT) Examples/mosquitto/check.sh $(SCRATCH)/mosquitto

supervisors-quick: toolchain
	SWIFT=$(SWIFT) SCRATCH=$(SCRATCH)/situations Tests/supervisors/run.sh

supervisors: toolchain
	SWIFT=$(SWIFT) SCRATCH=$(SCRATCH)/situations Tests/supervisors/run.sh --all

# Two lanes, because much of it waits.
test: toolchain
	@$(MAKE) -j 2 test-swift test-c-quick
	@$(MAKE) test-documentation

test-swift: toolchain
	SWIFT=$(SWIFT) Tests/tools/swift-test.sh $(WIDTH)

test-c:
	Tests/c/run.sh

test-c-quick:
	Tests/c/run.sh quick

test-documentation: toolchain
	Tests/tools/documentation.sh

test-integration: toolchain
	Tests/integration/run.sh all

test-situations: toolchain
	SWIFT=$(SWIFT) SCRATCH=$(SCRATCH)/situations Tests/situations/run.sh $(TIMES)

test-adapters: toolchain
	SWIFT=$(SWIFT) Tests/adapters/run.sh $(SCRATCH)/adapters

# Works with -j 2, because much of it waits. What measures runs last, alone.
check: checks
	@$(MAKE) bench-smoke

checks: lint workflows header builds darwin layers symbols api budgets man-calls release docs \
    test-swift test-c test-documentation test-integration test-library test-situations sanitize prove-quick

header:
	Tests/c/header.sh

builds:
	Tests/c/builds.sh

darwin: toolchain
	SWIFT=$(SWIFT) Tests/tools/darwin.sh

darwin-tests: toolchain
	SWIFT=$(SWIFT) Tests/tools/darwin.sh tests

workflows:
	Tests/tools/workflows.sh

release:
	Tests/tools/release.sh --self-test

release-check: api
	Tests/tools/release.sh

layers:
	Tests/tools/layers.sh

symbols:
	Tests/tools/symbols.sh

api: toolchain
	SWIFT=$(SWIFT) Tests/tools/api.sh

api-baseline: toolchain
	SWIFT=$(SWIFT) Tests/tools/api.sh --write

budgets:
	Tests/tools/budgets.sh

man-calls:
	Tests/tools/man_calls.sh

sanitize: sanitize-swift-thread sanitize-swift-address sanitize-c

sanitize-c:
	Tests/c/run.sh thread
	Tests/c/run.sh address,undefined

sanitize-swift-thread: toolchain
	SWIFT=$(SWIFT) Tests/tools/swift-test.sh $(WIDTH) --sanitize=thread --scratch-path $(SCRATCH)/thread \
	    --skip SignalsToolTests # it counts threads, and the sanitizer has one of its own

sanitize-swift-address: toolchain
	SWIFT=$(SWIFT) Tests/tools/swift-test.sh $(WIDTH) --sanitize=address --scratch-path $(SCRATCH)/address \
	    --skip SignalDaemonTests --skip OriginalMaskTests
	ASAN_OPTIONS=detect_leaks=0 SWIFT=$(SWIFT) Tests/tools/swift-test.sh $(WIDTH) --sanitize=address --scratch-path $(SCRATCH)/address \
	    --filter 'SignalDaemonTests|OriginalMaskTests' # a simulated forced end leaves tasks behind, as it should; Process leaks

prove: toolchain
	SWIFT=$(SWIFT) Tests/prove/run.sh

prove-quick:
	Tests/prove/run.sh quick

bench: toolchain
	SWIFT=$(SWIFT) Benchmarks/run.sh

bench-peers:
	Benchmarks/peers.sh

bench-counts: toolchain
	SWIFT=$(SWIFT) Benchmarks/run.sh counts

bench-baseline: toolchain
	SWIFT=$(SWIFT) Benchmarks/run.sh baseline

bench-smoke: toolchain
	SWIFT=$(SWIFT) Benchmarks/run.sh smoke

footprint: toolchain
	SWIFT=$(SWIFT) Benchmarks/footprint.sh

lint: toolchain
	@Tests/tools/need.sh clang-format
	@Tests/tools/need.sh python3
	@Tests/tools/english.py --self-test
	@Tests/tools/english.py
	@Tests/tools/guide.py --self-test
	@Tests/tools/guide.py --check
	@Tests/tools/commits.sh --self-test
	@Tests/tools/commits.sh
	@$(SWIFT) format lint --strict --recursive $(SWIFT_FILES)
	@clang-format --dry-run --Werror $(C_FILES)

format:
	@Tests/tools/need.sh clang-format
	@$(SWIFT) format format --in-place --recursive $(SWIFT_FILES)
	@clang-format -i $(C_FILES)

docs: toolchain
	SIGNALBRIDGE_DOCS=1 $(SWIFT) package --enable-all-traits --scratch-path $(SCRATCH)/docs-build --allow-writing-to-directory $(SCRATCH)/docs \
	    generate-documentation --target SignalBridge --target SignalDaemon --enable-experimental-combined-documentation \
	    --warnings-as-errors --output-path $(SCRATCH)/docs; \
	    status=$$?; rm -f Package.resolved; exit $$status # or the next build would fetch what only this needs
ifneq ($(PORT),)
	@echo "http://localhost:$(PORT)/documentation/ until Ctrl-C"
	@Tests/tools/need.sh python3
	@cd $(SCRATCH)/docs && python3 -m http.server --bind localhost $(PORT)
endif

guide:
	@Tests/tools/need.sh python3
	Tests/tools/guide.py

clean:
	rm -rf $(SCRATCH); find Examples Tests -name .build -prune -exec rm -rf {} +

include library/library.mk
