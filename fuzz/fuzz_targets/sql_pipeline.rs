#![no_main]

use std::cell::RefCell;

use sinew_tests::fuzz::{Language, Pipeline};

thread_local! {
    static PIPELINE: RefCell<Pipeline> = RefCell::new(Pipeline::new(Language::Sql));
}

libfuzzer_sys::fuzz_target!(|text: &str| PIPELINE.with_borrow_mut(|pipeline| pipeline.run(text)));
