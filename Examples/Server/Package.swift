// swift-tools-version: 6.1
import PackageDescription

// The examples that stand on packages of others. Apart from those in `..`, which need nothing but the toolchain: a
// dependency is fetched as soon as a package names it, whichever product is built.
let package = Package(
    name: "ServerExamples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "SignalBridge", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(
            name: "mayhem",
            dependencies: [
                .product(name: "SignalDaemon", package: "SignalBridge"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "server",
            dependencies: [
                .product(name: "SignalDaemon", package: "SignalBridge"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "services",
            dependencies: [
                .product(name: "SignalDaemon", package: "SignalBridge"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
    ]
)
