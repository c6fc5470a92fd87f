# CSignalShim and CSignalInit as ordinary C libraries, without Swift. Included by the Makefile; needs cc, ar and make.
#
#   make lib                        builds it in .build/lib
#   make install PREFIX=/usr        installs headers, libraries, pkg-config and CMake files, man pages; DESTDIR goes before it
#   make uninstall PREFIX=/usr      removes them
#
# Honoured, too: LIBDIR INCLUDEDIR MANDIR CC AR CFLAGS CPPFLAGS LDFLAGS; and LIB_SYSTEM, as uname -s has it, for another
# system than this one. The dylib of macOS has been linked, and not been run.

# The header has the version. The soname has the major number: a release that breaks binaries raises it, here and in the
# symbol map.
LIB_HEADERS := Sources/CSignalShim/include/CSignalShim.h Sources/CSignalShim/include/CSignalShimSupport.h
LIB_INIT_HEADER := Sources/CSignalInit/include/CSignalInit.h
LIB_VERSION := $(shell awk '$$2 ~ /^CSIGSHIM_VERSION_/ { printf "%s%s", dot, $$3; dot = "." }' $(firstword $(LIB_HEADERS)))
LIB_ABI := $(firstword $(subst ., ,$(LIB_VERSION)))

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
# A fifth smaller than -O2, and as fast: system calls take the time.
CFLAGS ?= -Os -g

LIB_SYSTEM ?= $(shell uname -s)
LIB_OUT := $(SCRATCH)/lib
LIB_SOURCES = $(wildcard Sources/CSignalShim/*.c)
LIB_OBJECTS = $(LIB_SOURCES:Sources/CSignalShim/%.c=$(LIB_OUT)/%.o)
LIB_FUNCTIONS = $(shell sed -n 's/^ *\(csigshim_[a-z_]*\);$$/\1/p' library/csignalshim.map)

# The library must stay loaded: the kernel and pthread_atfork have pointers into it. And the loader must resolve every
# name at once, not in signal context; so a procedure linkage table would have no use.
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
LIB_NO_PLT = -fno-plt
LIB_DL = $(if $(filter Linux,$(LIB_SYSTEM)),-ldl)
endif

.PHONY: lib install uninstall test-library lib-flags lib-version

lib-version:
	@echo $(LIB_VERSION) $(LIB_SONAME)

lib: $(LIB_OUT)/libcsignalshim.a $(LIB_OUT)/$(LIB_SHARED) $(LIB_OUT)/libcsignalinit.a

# Position-independent in the static library too, so that a plugin can contain it.
LIB_COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) -std=gnu11 -fPIC $(LIB_NO_PLT) -pthread

$(LIB_OUT)/flags: lib-flags # when the flags change, all is compiled again
	@mkdir -p $(@D)
	@echo '$(LIB_COMPILE) $(LDFLAGS)' | cmp -s - $@ || echo '$(LIB_COMPILE) $(LDFLAGS)' >$@

$(LIB_OUT)/%.o: Sources/CSignalShim/%.c $(wildcard Sources/CSignalShim/*.h Sources/CSignalShim/include/*.h) $(LIB_OUT)/flags
	$(LIB_COMPILE) -c $< -o $@

# A function that runs once, at the start, has no use for a shared library.
$(LIB_OUT)/libcsignalinit.a: Sources/CSignalInit/init.c Sources/CSignalInit/include/CSignalInit.h $(LIB_OUT)/flags
	$(LIB_COMPILE) -c $< -o $(LIB_OUT)/init.o
	rm -f $@
	$(AR) rcs $@ $(LIB_OUT)/init.o

# One member: a program links the whole library or nothing of it. Otherwise, where the host's names come before the
# plugin's own, some functions could use the tables of another copy than the rest.
$(LIB_OUT)/libcsignalshim.a: $(LIB_OBJECTS)
	$(CC) $(CFLAGS) -r -nostdlib $(LIB_OBJECTS) -o $(LIB_OUT)/all.o
	rm -f $@
	$(AR) rcs $@ $(LIB_OUT)/all.o

$(LIB_OUT)/$(LIB_SHARED): $(LIB_OBJECTS) library/csignalshim.map
	@for name in $(LIB_FUNCTIONS); do echo _$$name; done >$(LIB_OUT)/exported
	$(CC) $(CFLAGS) $(LDFLAGS) $(LIB_LINK) $(LIB_OBJECTS) -pthread $(LIB_DL) -o $@

# For pkg-config and CMake. A directory below PREFIX is written relative to it, so that the installed tree can be moved.
# The CMake file finds PREFIX from LIBDIR: one .. for each directory between the two.
LIB_CMAKE := cmake/CSignalShim
empty :=
LIB_UP = $(subst $(empty) ,,$(patsubst %,/..,$(subst /, ,$(patsubst $(PREFIX)/%,%,$(LIBDIR)))))
LIB_ROOT = $(if $(filter $(PREFIX)/%,$(LIBDIR)),$${libdir}$(LIB_UP),$(PREFIX))
LIB_FILL = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|' \
    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' -e 's|@VERSION@|$(LIB_VERSION)|' \
    -e 's|@PRIVATE@|-pthread $(LIB_DL)|' -e 's|@ROOT@|$(LIB_ROOT)|' -e 's|@SHARED@|$(LIB_SHARED)|' -e 's|@SONAME@|$(LIB_SONAME)|'

install: lib
	install -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(LIBDIR)/$(LIB_CMAKE)' \
	    '$(DESTDIR)$(MANDIR)/man3' '$(DESTDIR)$(MANDIR)/man7'
	install -m 644 $(LIB_HEADERS) $(LIB_INIT_HEADER) '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(LIB_OUT)/libcsignalshim.a $(LIB_OUT)/libcsignalinit.a '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(LIB_OUT)/$(LIB_SHARED) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(LIB_SHARED) '$(DESTDIR)$(LIBDIR)/$(LIB_SONAME)'
	ln -sf $(LIB_SONAME) '$(DESTDIR)$(LIBDIR)/$(LIB_PLAIN)'
	for name in csignalshim csignalinit; do $(LIB_FILL) library/$$name.pc.in >'$(DESTDIR)$(LIBDIR)/pkgconfig'/$$name.pc; done
	for file in Config ConfigVersion; do \
	    $(LIB_FILL) library/cmake/CSignalShim$$file.cmake.in >'$(DESTDIR)$(LIBDIR)/$(LIB_CMAKE)'/CSignalShim$$file.cmake; done
	for section in 3 7; do \
	    sed 's/@VERSION@/$(LIB_VERSION)/' library/man/csignalshim.$$section >'$(DESTDIR)$(MANDIR)'/man$$section/csignalshim.$$section; done
	for name in $(LIB_FUNCTIONS); do echo '.so man3/csignalshim.3' >'$(DESTDIR)$(MANDIR)'/man3/$$name.3; done
	sed 's/@VERSION@/$(LIB_VERSION)/' library/man/csignalinit.3 >'$(DESTDIR)$(MANDIR)/man3/csignalinit.3'
	echo '.so man3/csignalinit.3' >'$(DESTDIR)$(MANDIR)/man3/csigshim_run_init_if_needed.3'

uninstall:
	rm -f $(foreach header,$(notdir $(LIB_HEADERS) $(LIB_INIT_HEADER)),'$(DESTDIR)$(INCLUDEDIR)/$(header)') \
	    $(foreach library,libcsignalinit.a libcsignalshim.a $(LIB_SHARED) $(LIB_SONAME) $(LIB_PLAIN),'$(DESTDIR)$(LIBDIR)/$(library)') \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/csignalshim.pc' '$(DESTDIR)$(LIBDIR)/pkgconfig/csignalinit.pc' \
	    '$(DESTDIR)$(MANDIR)/man3/csignalinit.3' '$(DESTDIR)$(MANDIR)/man3/csigshim_run_init_if_needed.3' \
	    '$(DESTDIR)$(MANDIR)/man3/csignalshim.3' '$(DESTDIR)$(MANDIR)/man7/csignalshim.7'
	for name in $(LIB_FUNCTIONS); do rm -f '$(DESTDIR)$(MANDIR)'/man3/$$name.3; done
	rm -rf '$(DESTDIR)$(LIBDIR)/$(LIB_CMAKE)'

test-library:
	Tests/library/run.sh
