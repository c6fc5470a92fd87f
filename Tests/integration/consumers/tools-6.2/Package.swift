// swift-tools-version: 6.2
import PackageDescription

let library: [Target.Dependency] = [
    .product(name: "SignalBridge", package: "SignalBridge"), .product(name: "SignalDaemon", package: "SignalBridge"),
]

let package = Package(
    name: "tools-6.2",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "main-actor", targets: ["main-actor"]),
        .executable(name: "nonsending", targets: ["nonsending"]),
    ],
    dependencies: [.package(name: "SignalBridge", path: "../../../..")],
    targets: [
        .executableTarget(
            name: "main-actor", dependencies: library,
            swiftSettings: [.defaultIsolation(MainActor.self), .treatAllWarnings(as: .error)]),
        .executableTarget(
            name: "nonsending", dependencies: library,
            swiftSettings: [
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"), .treatAllWarnings(as: .error),
            ]),
    ]
)
