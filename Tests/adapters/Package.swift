// swift-tools-version: 6.1
import PackageDescription

// A package that uses the adapters. It enables every trait, and depends on the packages that the traits adapt.

let daemon = Target.Dependency.product(name: "SignalDaemon", package: "SignalBridge")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metricsTestKit = Target.Dependency.product(name: "MetricsTestKit", package: "swift-metrics")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")

let package = Package(
    name: "adapters",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(
            name: "SignalBridge", path: "../..", traits: ["ServiceLifecycle", "Logging", "Metrics", "Configuration"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: [.defaults, "Reloading"]),
    ],
    targets: [
        .executableTarget(name: "hosting", dependencies: [daemon, lifecycle, logging]),
        .executableTarget(name: "hosted", dependencies: [daemon, lifecycle, logging]),
        .executableTarget(name: "observed", dependencies: [daemon, logging, metricsTestKit]),
        .executableTarget(name: "greeter", dependencies: [daemon, lifecycle, logging, configuration, system]),
        .testTarget(
            name: "AdapterTests",
            dependencies: [
                daemon, lifecycle, logging, metricsTestKit, configuration, system,
                .product(name: "InMemoryLogging", package: "swift-log"),
            ]),
    ]
)
