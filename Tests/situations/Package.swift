// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "situations",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "../..")],
    targets: [
        .executableTarget(
            name: "situation",
            dependencies: [
                .product(name: "SignalBridge", package: "SignalBridge"),
                .product(name: "SignalDaemon", package: "SignalBridge"),
            ]),
        .executableTarget(
            name: "supervised",
            dependencies: [
                .product(name: "SignalBridge", package: "SignalBridge"),
                .product(name: "SignalDaemon", package: "SignalBridge"),
            ],
            // It runs in directory trees that have no Swift.
            linkerSettings: [.unsafeFlags(["-static-stdlib"], .when(platforms: [.linux]))]),
    ]
)
