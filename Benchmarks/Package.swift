// swift-tools-version: 6.1
import PackageDescription

// A package of its own, because it depends on peers that users of the library should not have to build. `harness` runs
// the benchmark. `ours` and `peers` are contestants that it starts as processes, like those in contestants/.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "SignalBridge", path: ".."),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .target(name: "CBench"),
        .executableTarget(name: "harness", dependencies: ["CBench"]),
        .executableTarget(
            name: "ours", dependencies: ["CBench", .product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(
            name: "peers",
            dependencies: ["CBench", .product(name: "UnixSignals", package: "swift-service-lifecycle")]),
    ]
)
