// swift-tools-version: 5.9
import PackageDescription

// A package that has not moved to Swift 6. This version of the manifest has no name for macOS 15, which a string can say.

let package = Package(
    name: "tools-5.9",
    platforms: [.macOS("15.0")],
    products: [.executable(name: "swift5", targets: ["swift5"])],
    dependencies: [.package(name: "SignalBridge", path: "../../../..")],
    targets: [
        .executableTarget(
            name: "swift5",
            dependencies: [
                .product(name: "SignalBridge", package: "SignalBridge"),
                .product(name: "SignalDaemon", package: "SignalBridge"),
            ])
    ]
)
