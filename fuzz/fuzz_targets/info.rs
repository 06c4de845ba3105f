#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (parula::attack::find("info").run)(bytes);
});
