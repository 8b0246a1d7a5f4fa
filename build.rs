//! The glue between C++ and Rust, for the module only: without the feature `mesos` there is nothing to do, and no C++
//! compiler is needed. The rest of the C++ is CMake's (see `CMakeLists.txt`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "mesos")]
    {
        cxx_build::bridge("rust/ffi/bridge.rs")
            .include("cpp")
            .std("c++17")
            .flag("-fvisibility=hidden")
            .flag("-ffunction-sections")
            .flag("-fdata-sections")
            .compile("dcos_bits_bridge");
        for file in ["rust/ffi/bridge.rs", "cpp/reply.hpp"] {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}
