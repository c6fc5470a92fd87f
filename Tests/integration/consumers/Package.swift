// swift-tools-version: 6.1
import PackageDescription

// Programs of packages that are set up differently, built together so that the library is built once.

var programs: [Target.Dependency] = [
    .product(name: "swift5", package: "tools-5.9"),
    .product(name: "swift5-mode", package: "tools-6.1"),
    .product(name: "strict", package: "tools-6.1"),
    .product(name: "dynamic", package: "tools-6.1"),
]
var packages: [Package.Dependency] = [.package(path: "tools-5.9"), .package(path: "tools-6.1")]
#if compiler(>=6.2)
    programs += [
        .product(name: "main-actor", package: "tools-6.2"),
        .product(name: "nonsending", package: "tools-6.2"),
    ]
    packages.append(.package(path: "tools-6.2"))
#endif

let package = Package(
    name: "consumers", platforms: [.macOS(.v15)], dependencies: packages,
    targets: [.target(name: "Consumers", dependencies: programs)]
)
