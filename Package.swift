// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "SignalBridge",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "SignalBridge", targets: ["SignalBridge"]),
        .library(name: "SignalDaemon", targets: ["SignalDaemon"]),
        .library(name: "CSignalShim", targets: ["CSignalShim"]),
        .library(name: "CSignalInit", targets: ["CSignalInit"]),
        .executable(name: "signals", targets: ["SignalsTool"]),
    ],
    traits: [  // each makes one adapter of Sources/SignalDaemon/Adapters; without any, nothing is resolved or fetched
        .default(enabledTraits: []),
        .trait(name: "ServiceLifecycle", description: "Services as work of a daemon, and a daemon as a Service"),
        .trait(name: "Logging", description: "A daemon's transitions to a swift-log Logger"),
        .trait(name: "Metrics", description: "A daemon's signals, reloads, phases and exits as swift-metrics"),
        .trait(name: "Configuration", description: "Reloads of a swift-configuration provider"),
    ],
    dependencies: [
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.4.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.0.0", traits: []),
    ],
    targets: [
        .target(name: "CSignalShim"),
        .target(name: "CSignalInit"),
        .target(name: "SignalBridge", dependencies: ["CSignalShim"]),
        .target(
            name: "SignalDaemon",
            dependencies: [
                "SignalBridge", "CSignalInit",
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle",
                    condition: .when(traits: ["ServiceLifecycle"])),
                .product(
                    name: "Logging", package: "swift-log", condition: .when(traits: ["Logging", "ServiceLifecycle"])),
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["Metrics"])),
                .product(
                    name: "Configuration", package: "swift-configuration", condition: .when(traits: ["Configuration"])),
            ]),
        .executableTarget(name: "SignalsTool", dependencies: ["SignalDaemon"]),
        .target(name: "TestSupport", dependencies: ["SignalBridge", "CSignalShim"], path: "Tests/TestSupport"),
        .testTarget(name: "SignalBridgeTests", dependencies: ["SignalBridge", "CSignalShim", "TestSupport"]),
        .testTarget(name: "SignalDaemonTests", dependencies: ["SignalDaemon", "CSignalShim", "TestSupport"]),
        .executableTarget(name: "SignalsToolSubject", path: "Tests/SignalsToolSubject"),
        .testTarget(name: "SignalsToolTests", dependencies: ["SignalsTool", "SignalsToolSubject", "TestSupport"]),
    ],
    cLanguageStandard: .gnu11
)

// Each folder of tests has a README.md, which is no source.
for target in package.targets where target.path == "Tests/TestSupport" || target.type == .test {
    target.exclude = ["README.md"]
}

// The documentation's plugin is a build tool of ours, and no user's dependency: `make docs` asks for it.
if Context.environment["SIGNALBRIDGE_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
