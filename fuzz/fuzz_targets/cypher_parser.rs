#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| sinew_tests::fuzz::cypher_parser(text));
