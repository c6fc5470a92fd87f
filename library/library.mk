# CSignalShim as an ordinary C library, without Swift. Included by the Makefile; needs cc, ar and make.
#
#   make lib                        builds it in .build/lib
#   make install PREFIX=/usr        puts header, libraries, csignalshim.pc and man pages there; DESTDIR goes before it
#   make uninstall PREFIX=/usr      takes them away again
#
# Honoured, too: LIBDIR INCLUDEDIR MANDIR CC AR CFLAGS CPPFLAGS LDFLAGS; and LIB_SYSTEM, as uname -s has it, for another
# system than this one. The dylib of macOS has been linked, and not been run.

# The one place for both. The soname's number, which is also the symbol map's, goes up when a release breaks binaries.
LIB_VERSION := 0.1.0
LIB_ABI := 0

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
CFLAGS ?= -O2 -g

LIB_SYSTEM ?= $(shell uname -s)
LIB_OUT := $(SCRATCH)/lib
LIB_SOURCES = $(wildcard Sources/CSignalShim/*.c)
LIB_OBJECTS = $(LIB_SOURCES:Sources/CSignalShim/%.c=$(LIB_OUT)/%.o)
LIB_FUNCTIONS = $(shell sed -n 's/^ *\(csigshim_[a-z_]*\);$$/\1/p' library/csignalshim.map)

# The library must stay loaded (handlers and atfork handlers point into it) and look up nothing in signal context.
ifeq ($(LIB_SYSTEM),Darwin)
LIB_SHARED := libcsignalshim.$(LIB_VERSION).dylib
LIB_SONAME := libcsignalshim.$(LIB_ABI).dylib
LIB_PLAIN := libcsignalshim.dylib
LIB_LINK = -dynamiclib -install_name $(LIBDIR)/$(LIB_SONAME) -current_version $(LIB_VERSION) \
    -exported_symbols_list $(LIB_OUT)/exported
else
LIB_SHARED := libcsignalshim.so.$(LIB_VERSION)
LIB_SONAME := libcsignalshim.so.$(LIB_ABI)
LIB_PLAIN := libcsignalshim.so
LIB_LINK = -shared -Wl,-soname,$(LIB_SONAME) -Wl,--version-script=library/csignalshim.map -Wl,-z,nodelete -Wl,-z,now
LIB_DL = $(if $(filter Linux,$(LIB_SYSTEM)),-ldl)
endif

.PHONY: lib install uninstall test-library lib-flags

lib: $(LIB_OUT)/libcsignalshim.a $(LIB_OUT)/$(LIB_SHARED)

# Position-independent in the static library too, so that plugins can have it inside.
LIB_COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu11 -fPIC -pthread

$(LIB_OUT)/flags: lib-flags # other flags than last time: everything again
	@mkdir -p $(@D)
	@echo '$(LIB_COMPILE) $(LDFLAGS)' | cmp -s - $@ || echo '$(LIB_COMPILE) $(LDFLAGS)' >$@

$(LIB_OUT)/%.o: Sources/CSignalShim/%.c $(wildcard Sources/CSignalShim/*.h Sources/CSignalShim/include/*.h) $(LIB_OUT)/flags
	$(LIB_COMPILE) -c $< -o $@

# One member, so that a program has all of a copy or nothing: where a host's functions come before a plugin's own, half of
# them must not work on other tables than the rest.
$(LIB_OUT)/libcsignalshim.a: $(LIB_OBJECTS)
	$(CC) $(CFLAGS) -r -nostdlib $(LIB_OBJECTS) -o $(LIB_OUT)/all.o
	rm -f $@
	$(AR) rcs $@ $(LIB_OUT)/all.o

$(LIB_OUT)/$(LIB_SHARED): $(LIB_OBJECTS) library/csignalshim.map
	@for name in $(LIB_FUNCTIONS); do echo _$$name; done >$(LIB_OUT)/exported
	$(CC) $(CFLAGS) $(LDFLAGS) $(LIB_LINK) $(LIB_OBJECTS) -pthread $(LIB_DL) -o $@

# As configure would have written it: what is below PREFIX moves with it (pkg-config --define-prefix).
LIB_PC = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' -e 's|@VERSION@|$(LIB_VERSION)|' \
    -e 's|@PRIVATE@|-pthread $(LIB_DL)|'

install: lib
	install -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(MANDIR)/man3' '$(DESTDIR)$(MANDIR)/man7'
	install -m 644 Sources/CSignalShim/include/CSignalShim.h Sources/CSignalShim/include/CSignalShimSupport.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(LIB_OUT)/libcsignalshim.a '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(LIB_OUT)/$(LIB_SHARED) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(LIB_SHARED) '$(DESTDIR)$(LIBDIR)/$(LIB_SONAME)'
	ln -sf $(LIB_SONAME) '$(DESTDIR)$(LIBDIR)/$(LIB_PLAIN)'
	$(LIB_PC) library/csignalshim.pc.in >'$(DESTDIR)$(LIBDIR)/pkgconfig/csignalshim.pc'
	for section in 3 7; do \
	    sed 's/@VERSION@/$(LIB_VERSION)/' library/man/csignalshim.$$section >'$(DESTDIR)$(MANDIR)'/man$$section/csignalshim.$$section; done
	for name in $(LIB_FUNCTIONS); do echo '.so man3/csignalshim.3' >'$(DESTDIR)$(MANDIR)'/man3/$$name.3; done

uninstall:
	rm -f '$(DESTDIR)$(INCLUDEDIR)/CSignalShim.h' '$(DESTDIR)$(INCLUDEDIR)/CSignalShimSupport.h' '$(DESTDIR)$(LIBDIR)/libcsignalshim.a' \
	    '$(DESTDIR)$(LIBDIR)/$(LIB_SHARED)' '$(DESTDIR)$(LIBDIR)/$(LIB_SONAME)' '$(DESTDIR)$(LIBDIR)/$(LIB_PLAIN)' \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/csignalshim.pc' \
	    '$(DESTDIR)$(MANDIR)/man3/csignalshim.3' '$(DESTDIR)$(MANDIR)/man7/csignalshim.7'
	for name in $(LIB_FUNCTIONS); do rm -f '$(DESTDIR)$(MANDIR)'/man3/$$name.3; done

test-library:
	Tests/library/run.sh
