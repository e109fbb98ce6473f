use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

type Rows = Vec<Vec<Option<String>>>;

fn options(format: CopyFormat) -> CopyOptions {
    let csv = format == CopyFormat::Csv;
    CopyOptions {
        format,
        delimiter: if csv { b',' } else { b'\t' },
        null: if csv { String::new() } else { "\\N".to_owned() },
        header: CopyHeader::None,
        quote: b'"',
        escape: b'"',
        force_quote: Vec::new(),
        force_not_null: Vec::new(),
        force_null: Vec::new(),
    }
}

fn decoder(options: &CopyOptions, columns: usize) -> CopyDecoder {
    CopyDecoder::new(options.clone(), (1..=columns).map(|number| format!("c{number}")).collect())
}

fn read(options: &CopyOptions, columns: usize, pieces: &[&[u8]]) -> Result<Rows> {
    let mut decoder = decoder(options, columns);
    let mut row = RawRow::default();
    let mut rows = Vec::new();
    let mut pieces = pieces.iter();
    loop {
        match decoder.next_row(&mut row)? {
            Progress::Row => rows.push(
                (0..row.len()).map(|i| row.field(i).map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect(),
            ),
            Progress::NeedMore => match pieces.next() {
                Some(piece) => decoder.feed(piece),
                None => decoder.finish(),
            },
            // The client may send more after the end marker.
            Progress::End => match pieces.next() {
                Some(piece) => decoder.feed(piece),
                None => return Ok(rows),
            },
        }
    }
}

/// Reads `data` whole, byte by byte and in random pieces: the answer is always `expected`.
fn check(options: &CopyOptions, columns: usize, data: &[u8], expected: &[&[Option<&str>]]) {
    let expected: Rows =
        expected.iter().map(|row| row.iter().map(|field| field.map(str::to_owned)).collect()).collect();
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(read(options, columns, &[data]).expect("whole"), expected);
    assert_eq!(read(options, columns, &bytes).expect("bytes"), expected);
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..50 {
        let mut pieces = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.random_range(1..=rest.len()));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(read(options, columns, &pieces).expect("pieces"), expected);
    }
}

fn check_error(options: &CopyOptions, columns: usize, data: &[u8], message: &str) {
    for size in [1, data.len().max(1)] {
        let pieces: Vec<&[u8]> = data.chunks(size).collect();
        let error = read(options, columns, &pieces).expect_err("malformed");
        assert_eq!(error.sqlstate(), "22P04");
        assert!(error.0.message.contains(message), "{}", error.0.message);
    }
}

#[test]
fn text() {
    let o = options(CopyFormat::Text);
    check(&o, 2, b"a\tb\nc\t\\N\n", &[&[Some("a"), Some("b")], &[Some("c"), None]]);
    check(&o, 1, b"last line without end", &[&[Some("last line without end")]]);
    check(&o, 1, b"tab\\tnl\\nback\\\\slash\\x41\\101\\q\n", &[&[Some("tab\tnl\nback\\slashAAq")]]);
    check(&o, 1, b"protected\\\nnewline\n", &[&[Some("protected\nnewline")]]);
    check(&o, 2, b"a\\\tb\tc\n", &[&[Some("a\tb"), Some("c")]]);
    check(&o, 1, b"a\n\\.\nignored\n", &[&[Some("a")]]);
    check(&o, 1, b"a\r\nb\r\n", &[&[Some("a")], &[Some("b")]]);
    check(&o, 1, b"a\rb\r", &[&[Some("a")], &[Some("b")]]);
    check(&o, 2, b"\t\n", &[&[Some(""), Some("")]]);
    check(&o, 1, "gr\u{fc}n \u{1f331}\n".as_bytes(), &[&[Some("gr\u{fc}n \u{1f331}")]]);
    check(&o, 1, b"\\\\N\n", &[&[Some("\\N")]]);
    check(&o, 1, b"", &[]);
}

#[test]
fn text_errors() {
    let o = options(CopyFormat::Text);
    check_error(&o, 2, b"a\n", "missing data for column \"c2\"");
    check_error(&o, 1, b"a\tb\n", "extra data");
    check_error(&o, 1, b"a\nb\rc\n", "literal carriage return");
    check_error(&o, 1, b"a\r\nb\nc\r\n", "literal newline");
}

#[test]
fn csv() {
    let mut o = options(CopyFormat::Csv);
    check(&o, 2, b"a,b\n\"c,\"\"d\"\"\",\n", &[&[Some("a"), Some("b")], &[Some("c,\"d\""), None]]);
    check(&o, 2, b"\"\",x\n", &[&[Some(""), Some("x")]]);
    check(&o, 1, b"\"two\nlines\"\n", &[&[Some("two\nlines")]]);
    check(&o, 1, b"\"two\r\nlines\"\r\n", &[&[Some("two\r\nlines")]]);
    check(&o, 1, b"mid\"dle, quoted\"end\n", &[&[Some("middle, quotedend")]]);
    check(&o, 1, b"a\n\\.\nrest\n", &[&[Some("a")]]);
    o.header = CopyHeader::Line;
    check(&o, 2, b"x,y\n1,2\n", &[&[Some("1"), Some("2")]]);
    o.header = CopyHeader::None;
    o.escape = b'\\';
    check(&o, 2, b"\"a\\\"b\\\\\",c\n", &[&[Some("a\"b\\"), Some("c")]]);
    o.null = "NULL".to_owned();
    check(&o, 2, b"NULL,\"NULL\"\n", &[&[None, Some("NULL")]]);
    check(&o, 2, b",x\n", &[&[Some(""), Some("x")]]);
}

#[test]
fn csv_errors() {
    let o = options(CopyFormat::Csv);
    check_error(&o, 1, b"\"open\n", "unterminated CSV quoted field");
    check_error(&o, 2, b"a\n", "missing data");
    check_error(&o, 1, b"a,b\n", "extra data");
}

fn binary(rows: &[&[Option<&[u8]>]], trailer: bool) -> Vec<u8> {
    let mut out = BINARY_SIGNATURE.to_vec();
    out.extend_from_slice(&0i32.to_be_bytes());
    out.extend_from_slice(&3i32.to_be_bytes());
    out.extend_from_slice(b"ext");
    for row in rows {
        out.extend_from_slice(&(row.len() as i16).to_be_bytes());
        for field in *row {
            match field {
                None => out.extend_from_slice(&(-1i32).to_be_bytes()),
                Some(bytes) => {
                    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
    if trailer {
        out.extend_from_slice(&(-1i16).to_be_bytes());
    }
    out
}

#[test]
fn binary_rows() {
    let o = options(CopyFormat::Binary);
    let data = binary(&[&[Some(b"abc"), None], &[Some(b""), Some(b"\n\\.")]], true);
    check(&o, 2, &data, &[&[Some("abc"), None], &[Some(""), Some("\n\\.")]]);
    check(&o, 1, &binary(&[&[Some(b"x")]], false), &[&[Some("x")]]);
}

#[test]
fn binary_errors() {
    let o = options(CopyFormat::Binary);
    check_error(&o, 2, &binary(&[&[Some(b"abc")]], true), "row field count is 1, expected 2");
    check_error(&o, 1, b"PGCOPX\n\xff\r\n\0", "signature");
    let data = binary(&[&[Some(b"abc")]], false);
    check_error(&o, 1, &data[..data.len() - 1], "unexpected EOF");
    let mut more = binary(&[], true);
    more.push(1);
    check_error(&o, 1, &more, "after EOF marker");
}

#[test]
fn random_text_survives_escaping_and_chunking() {
    let mut rng = StdRng::seed_from_u64(9);
    let alphabet: Vec<char> = "ab\t\n\r\\.N\",\u{e9}".chars().collect();
    for _ in 0..200 {
        let rows: Vec<Vec<Option<String>>> = (0..rng.random_range(1..6))
            .map(|_| {
                (0..3)
                    .map(|_| {
                        (!rng.random_bool(0.2)).then(|| {
                            (0..rng.random_range(0..8)).map(|_| alphabet[rng.random_range(0..alphabet.len())]).collect()
                        })
                    })
                    .collect()
            })
            .collect();
        let expected: Vec<Vec<Option<&str>>> =
            rows.iter().map(|row| row.iter().map(|field| field.as_deref()).collect()).collect();
        let expected: Vec<&[Option<&str>]> = expected.iter().map(Vec::as_slice).collect();
        for format in [CopyFormat::Text, CopyFormat::Csv] {
            let o = options(format);
            let mut data = Vec::new();
            for row in &rows {
                let fields: Vec<Option<&[u8]>> = row.iter().map(|field| field.as_ref().map(|f| f.as_bytes())).collect();
                encode_line(&fields, &o, &mut data);
            }
            check(&o, 3, &data, &expected);
        }
    }
}

fn encode_line(fields: &[Option<&[u8]>], options: &CopyOptions, line: &mut Vec<u8>) {
    use super::super::copy_out::{encode_field, start_field};
    for (index, field) in fields.iter().enumerate() {
        start_field(index, options, line);
        match field {
            Some(field) => encode_field(field, fields.len() == 1, false, options, line),
            None => line.extend_from_slice(options.null.as_bytes()),
        }
    }
    line.push(b'\n');
}

/// Where an error is said to be: line, and its text.
fn place(o: &CopyOptions, columns: usize, data: &[u8]) -> (u64, Option<String>) {
    let mut decoder = decoder(o, columns);
    decoder.feed(data);
    decoder.finish();
    let mut row = RawRow::default();
    loop {
        match decoder.next_row(&mut row) {
            Ok(Progress::Row) => {}
            Ok(other) => panic!("no error but {other:?}"),
            Err(_) => {
                let line = decoder.current_line().map(|line| String::from_utf8_lossy(line).into_owned());
                return (decoder.line, line);
            }
        }
    }
}

#[test]
fn errors_know_their_line() {
    let text = options(CopyFormat::Text);
    assert_eq!(place(&text, 2, b"a\n"), (1, Some("a".to_owned())));
    assert_eq!(place(&text, 2, b"a\tb\nc\td\te\n"), (2, Some("c\td\te".to_owned())));
    assert_eq!(place(&text, 1, b"a\r\nb\nc\r\n"), (2, None));
    let csv = CopyOptions { header: CopyHeader::Line, ..options(CopyFormat::Csv) };
    assert_eq!(place(&csv, 1, b"head\n\"open\n"), (2, Some("\"open\n".to_owned())));
    let mut binary = b"PGCOPY\n\xff\r\n\0".to_vec();
    assert_eq!(place(&options(CopyFormat::Binary), 1, b"PGCOPX").0, 0);
    binary.extend_from_slice(&[0; 8]);
    binary.extend_from_slice(&[0, 1, 0, 0, 0, 1, 7, 0, 3]);
    assert_eq!(place(&options(CopyFormat::Binary), 1, &binary), (2, None));
}

#[test]
fn nulls_are_forced_one_way_and_the_other() {
    let mut csv = options(CopyFormat::Csv);
    csv.force_null = vec![true, false, false];
    csv.force_not_null = vec![false, true, false];
    check(&csv, 3, b"\"\",,\nx,\"\",\"\"\n", &[&[None, Some(""), None], &[Some("x"), Some(""), Some("")]]);
}

#[test]
fn a_header_that_must_match() {
    let mut csv = options(CopyFormat::Csv);
    csv.header = CopyHeader::Match;
    check(&csv, 2, b"c1,\"c2\"\n1,2\n", &[&[Some("1"), Some("2")]]);
    for (data, message) in [
        (&b"c1\n1\n"[..], "wrong number of fields in header line: got 1, expected 2"),
        (b"c2,c1\n", "column name mismatch in header line field 1: got \"c2\", expected \"c1\""),
        (b"c1,\n", "column name mismatch in header line field 2: got null value (\"\"), expected \"c2\""),
    ] {
        let error = read(&csv, 2, &[data]).expect_err(message);
        assert_eq!((error.sqlstate(), error.0.message.as_str()), ("22P04", message));
    }
}
