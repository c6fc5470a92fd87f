// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that users of the library do not build the examples. These need only the toolchain; the
// examples with dependencies are in Recipes and Terminal.
let package = Package(
    name: "Examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "..")],
    targets: [
        .executableTarget(name: "daemon", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(name: "demo", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(name: "receiving", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(name: "reload", dependencies: [.product(name: "SignalDaemon", package: "SignalBridge")]),
        .executableTarget(name: "workers", dependencies: [.product(name: "SignalDaemon", package: "SignalBridge")]),
    ]
)
