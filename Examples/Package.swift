// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that the examples are nothing that the library's users build. They need the toolchain alone;
// those with dependencies are in Server.
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
