// swift-tools-version: 6.2
import PackageDescription

// Recipes for programs in a terminal, for processes, for run loops and for tests. They are a package of their own,
// because two of them depend on other packages; swift-subprocess needs Swift 6.2.
let daemon = Target.Dependency.product(name: "SignalDaemon", package: "SignalBridge")
let package = Package(
    name: "TerminalExamples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "SignalBridge", path: "../.."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
    ],
    targets: [
        .executableTarget(
            name: "tool",
            dependencies: [daemon, .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .executableTarget(name: "fullscreen", dependencies: [daemon]),
        .executableTarget(
            name: "pool", dependencies: [daemon, .product(name: "Subprocess", package: "swift-subprocess")]),
        .executableTarget(name: "runloop", dependencies: [daemon]),
        .executableTarget(name: "application", dependencies: [daemon]),
        .target(name: "Worker", dependencies: [daemon]),
        .testTarget(name: "WorkerTests", dependencies: ["Worker"]),
    ]
)
