// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that what the examples need is no dependency of the library's users.
let package = Package(
    name: "Examples",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "..")],
    targets: [
        .executableTarget(name: "daemon", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
        .executableTarget(name: "demo", dependencies: [.product(name: "SignalBridge", package: "SignalBridge")]),
    ]
)
