// swift-tools-version: 6.1
import PackageDescription

// A package that uses the library, and sees only its public products.

let library = Target.Dependency.product(name: "SignalBridge", package: "SignalBridge")
let lifecycle = Target.Dependency.product(name: "SignalDaemon", package: "SignalBridge")
let shim = Target.Dependency.product(name: "CSignalShim", package: "SignalBridge")

func program(_ name: String, _ settings: [SwiftSetting] = []) -> Target {
    .executableTarget(name: name, dependencies: ["Reporting", library], swiftSettings: settings)
}

/// The same sources again, with Foundation in the process: `Sources/NAME-foundation` has links to them.
func programs(_ name: String) -> [Target] {
    [program(name), program(name + "-foundation", [.define("FOUNDATION")])]
}

/// SwiftPM links C programs as if they were Swift: with the runtime's start-up object, and its library for that. These
/// two programs leave out the libraries that they do not need, as a daemon with a build system of its own does.
let withoutSwift = LinkerSetting.unsafeFlags(
    ["-nostartfiles", "-static-stdlib"], .when(platforms: [.linux]))

let package = Package(
    name: "integration",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "SignalBridge", path: "../..")],
    targets: [.target(name: "Reporting", dependencies: [library])]
        + programs("parked") + programs("atmain") + programs("toplevel")
        + ["contained", "contained-main"].map {
            .executableTarget(
                name: $0, dependencies: ["Reporting", .product(name: "SignalDaemon", package: "SignalBridge")])
        }
        + ["sender", "nohupped", "closer", "wedged", "spawner", "leaver", "mixed"].map { program($0) }
        + [.executableTarget(name: "serving", dependencies: ["Reporting", lifecycle])]
        + ["c-poll", "cxx-poll", "c-child"].map {
            .executableTarget(name: $0, dependencies: [shim], linkerSettings: [withoutSwift])
        }
        + [.executableTarget(name: "ending", linkerSettings: [withoutSwift])],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .cxx17
)
