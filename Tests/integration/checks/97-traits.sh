# without a trait nothing is fetched, and with one only what its adapter needs

# resolve_consumer NAME [TRAIT]: resolves a package that depends on this one. What it took is in $work/resolved, a name on each line.
resolve_consumer() {
    consumer=$work/$1
    mkdir -p "$consumer/Sources/$1"
    echo 'import SignalDaemon' >"$consumer/Sources/$1/$1.swift"
    cat >"$consumer/Package.swift" <<END
// swift-tools-version: 6.1
import PackageDescription
let package = Package(
    name: "$1", platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "$root"${2:+, traits: [\"$2\"]})],
    targets: [.target(name: "$1", dependencies: [.product(name: "SignalDaemon", package: "SignalBridge")])]
)
END
    resolve "$consumer"
}

# resolve DIRECTORY
resolve() {
    swift package resolve --package-path "$1" --scratch-path "$1/.build" >"$work/log" 2>&1 || {
        sed 's/^/    /' "$work/log"
        return 1
    }
    {
        [ ! -f "$1/Package.resolved" ] || sed -n 's/.*"identity" : "\(.*\)".*/\1/p' "$1/Package.resolved"
        find "$1/.build/checkouts" "$1/.build/repositories" -mindepth 1 -maxdepth 1 2>/dev/null | sed 's,.*/,,; s/-[0-9a-f]\{8\}$//'
    } | sort -u >"$work/resolved"
}

# took_exactly [NAME]
took_exactly() {
    if [ "$(cat "$work/resolved")" != "$*" ]; then
        sed 's/^/    it took /' "$work/resolved"
        return 1
    fi
}

if [ "$configuration" = debug ]; then
    output=
    # A copy, because a developer may have built this package with traits. Only the manifest matters.
    mkdir "$work/copy"
    cp "$root/Package.swift" "$work/copy"
    check "the package itself resolves" resolve "$work/copy"
    check "it fetches nothing" took_exactly
    check "no trait: a consumer resolves" resolve_consumer NoTrait
    check "no trait: nothing is fetched" took_exactly
    if command -v nm >/dev/null 2>&1; then
        # The program is built without a trait. The symbols are those of DaemonService, DaemonMetrics and addService.
        nm "$programs/serving" >"$work/symbols" 2>/dev/null
        check "no trait: the symbols of a program can be read" grep -q 12SignalDaemon "$work/symbols"
        check "no trait: the module has nothing of an adapter" \
            lacks "$work/symbols" '12SignalDaemon0B7Service\|12SignalDaemon0B7Metrics\|10addService'
    else
        skip "no trait: no nm"
    fi
    for trait in Logging:swift-log Metrics:swift-metrics; do
        if resolve_consumer "${trait%:*}Only" "${trait%:*}"; then
            check "trait ${trait%:*}: ${trait#*:} is fetched, and nothing else" took_exactly "${trait#*:}"
        else
            skip "trait ${trait%:*}: ${trait#*:} cannot be fetched here"
        fi
    done
    if resolve_consumer LifecycleOnly ServiceLifecycle; then
        check "trait ServiceLifecycle: its package is fetched" grep -qx swift-service-lifecycle "$work/resolved"
        check "trait ServiceLifecycle: not those of other traits" lacks "$work/resolved" '^swift-\(metrics\|configuration\)$'
    else
        skip "trait ServiceLifecycle: swift-service-lifecycle cannot be fetched here"
    fi
    if resolve_consumer ConfigurationOnly Configuration; then
        check "trait Configuration: its package is fetched" grep -qx swift-configuration "$work/resolved"
        check "trait Configuration: not those of other traits" lacks "$work/resolved" '^swift-metrics$'
    else
        skip "trait Configuration: swift-configuration cannot be fetched here"
    fi
else
    skip "traits: the debug configuration has them"
fi
