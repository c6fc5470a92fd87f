// swift-tools-version: 6.1
import PackageDescription

// A shared library that contains SignalBridge and SignalDaemon.

let package = Package(
    name: "Service",
    platforms: [.macOS(.v15)],
    products: [.library(name: "Service", type: .dynamic, targets: ["Service"])],
    dependencies: [.package(name: "SignalBridge", path: "../../../../..")],
    targets: [
        .target(
            name: "Service",
            dependencies: [
                .product(name: "SignalBridge", package: "SignalBridge"),
                .product(name: "SignalDaemon", package: "SignalBridge"),
            ])
    ]
)
