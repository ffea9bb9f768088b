//! Builds the part in C++, where Boost's headers are installed.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(boost)");
    println!("cargo::rerun-if-changed=src/boost_queue.cpp");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").file("src/boost_queue.cpp");
    // Without the headers it does not compile: then the program says that it has no such transport.
    build.cargo_warnings(false);
    if build.try_compile("boost_queue").is_ok() {
        println!("cargo::rustc-cfg=boost");
    }
}
