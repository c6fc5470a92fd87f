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
    targets: [
        .target(name: "CSignalShim"),
        .target(name: "CSignalInit"),
        .target(name: "SignalBridge", dependencies: ["CSignalShim"]),
        .target(name: "SignalDaemon", dependencies: ["SignalBridge", "CSignalInit"]),
        .executableTarget(name: "SignalsTool", dependencies: ["SignalDaemon"]),
        .target(name: "TestSupport", dependencies: ["SignalBridge", "CSignalShim"], path: "Tests/TestSupport"),
        .testTarget(name: "SignalBridgeTests", dependencies: ["SignalBridge", "CSignalShim", "TestSupport"]),
        .testTarget(name: "SignalDaemonTests", dependencies: ["SignalDaemon", "CSignalShim", "TestSupport"]),
        .executableTarget(name: "SignalsToolSubject", path: "Tests/SignalsToolSubject"),
        .testTarget(name: "SignalsToolTests", dependencies: ["SignalsTool", "SignalsToolSubject", "TestSupport"]),
    ],
    cLanguageStandard: .gnu11
)

// The documentation's plugin is a build tool of ours, and no user's dependency: `make docs` asks for it.
if Context.environment["SIGNALBRIDGE_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
