# what the programs are linked to

links_to() {
    ldd "$programs/$1" >"$work/ldd" 2>&1
    grep -q -e "$2" "$work/ldd"
}

links_not_to() {
    if links_to "$@"; then
        sed 's/^/    /' "$work/ldd"
        return 1
    fi
}

swift_runtime='libswift\|libdispatch\|libBlocksRuntime\|libFoundation\|lib_Foundation'
output=
if command -v ldd >/dev/null 2>&1; then
    check "a C program has no Swift library" links_not_to c-poll "$swift_runtime"
    check "a C++ program has no Swift library" links_not_to cxx-poll "$swift_runtime"
    check "no Foundation unless asked for" links_not_to parked 'Foundation'
    if [ "$configuration" = static ]; then
        check "a static program has no Swift library" links_not_to parked "$swift_runtime"
        check "a static program with Foundation has none either" links_not_to parked-foundation "$swift_runtime"
    else
        check "Foundation is there when asked for" links_to parked-foundation 'Foundation'
    fi
else
    skip "linking: no ldd"
fi

# The C programs are linked with -static-stdlib (see Package.swift), so ldd alone would miss what came from an archive.
if command -v nm >/dev/null 2>&1; then
    for each in c-poll cxx-poll; do
        nm "$programs/$each" >"$work/symbols" 2>/dev/null
        check "$each: its symbols can be read" grep -q csigshim_read "$work/symbols"
        check "$each: no Swift symbol inside" lacks "$work/symbols" 'swift\|dispatch_\|\$s[0-9A-Za-z]'
    done
    # Swift's symbols begin with the length and the name of their module.
    nm "$programs/atmain" >"$work/symbols" 2>/dev/null
    check "atmain: its symbols can be read" grep -q '\$s12SignalBridge' "$work/symbols"
    check "atmain, which has a SignalEvents: nothing of SignalDaemon" lacks "$work/symbols" '12SignalDaemon'
    nm "$programs/serving" >"$work/symbols" 2>/dev/null
    check "serving, which has a daemon: its symbols have the name" grep -q '\$s12SignalDaemon' "$work/symbols"
else
    skip "linking: no nm"
fi

# SwiftPM builds the executables of a dependency on request only.
check "nothing of the program signals is built here" test ! -e "$programs/signals" -a ! -e "$programs/SignalsToolSubject"
