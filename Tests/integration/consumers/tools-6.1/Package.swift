// swift-tools-version: 6.1
import PackageDescription

let library: [Target.Dependency] = [
    .product(name: "SignalBridge", package: "SignalBridge"), .product(name: "SignalDaemon", package: "SignalBridge"),
]

let package = Package(
    name: "tools-6.1",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "swift5-mode", targets: ["swift5-mode"]), .executable(name: "strict", targets: ["strict"]),
        .executable(name: "dynamic", targets: ["dynamic"]),
    ],
    dependencies: [.package(name: "SignalBridge", path: "../../../.."), .package(path: "Service")],
    targets: [
        .executableTarget(name: "swift5-mode", dependencies: library, swiftSettings: [.swiftLanguageMode(.v5)]),
        .executableTarget(
            name: "strict", dependencies: library,
            swiftSettings: [
                .swiftLanguageMode(.v5), .enableExperimentalFeature("StrictConcurrency"),
                .unsafeFlags(["-warnings-as-errors"]),
            ]),
        // It has the library from within Service's shared one, and no copy of its own.
        .executableTarget(name: "dynamic", dependencies: [.product(name: "Service", package: "Service")]),
    ]
)
