// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "frameworks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "SignalBridge", path: "../../.."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(
            name: "service-group",
            dependencies: [
                .product(name: "SignalDaemon", package: "SignalBridge"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "hummingbird",
            dependencies: [
                .product(name: "SignalDaemon", package: "SignalBridge"),
                .product(name: "Hummingbird", package: "hummingbird"),
            ]),
    ]
)
