#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (parula::attack::find("tables").run)(bytes);
});
