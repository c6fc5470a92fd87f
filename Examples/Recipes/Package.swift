// swift-tools-version: 6.1
import PackageDescription

// The examples that depend on other packages, in one package, so that SwiftNIO is built once. The examples in `..` need
// only the toolchain. They are a package of their own, because SwiftPM fetches every dependency that a package names,
// whichever product is built. These dependencies want Swift 6.2, and SQLite's headers.
let daemon: Target.Dependency = .product(name: "SignalDaemon", package: "SignalBridge")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "Recipes",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "SignalBridge", path: "../..", traits: ["Configuration", "Logging", "ServiceLifecycle"]),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON", "Reloading"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(name: "mayhem", dependencies: [daemon, logging]),
        .executableTarget(
            name: "server",
            dependencies: [
                daemon, logging,
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .executableTarget(name: "services", dependencies: [daemon, logging, lifecycle]),
        .executableTarget(
            name: "hummingbird-server",
            dependencies: [
                daemon, logging, lifecycle,
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Hummingbird", package: "hummingbird"),
            ]),
        .executableTarget(
            name: "grpc-server",
            dependencies: [
                daemon, logging,
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
            ]),
        .executableTarget(
            name: "crawler",
            dependencies: [daemon, logging, .product(name: "AsyncHTTPClient", package: "async-http-client")]),
        .executableTarget(
            name: "configuration-reload",
            dependencies: [
                daemon, logging,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
        .executableTarget(
            name: "migration-before",
            dependencies: [logging, lifecycle, .product(name: "UnixSignals", package: "swift-service-lifecycle")]),
        .executableTarget(name: "migration-after", dependencies: [daemon, logging, lifecycle]),
    ]
)
