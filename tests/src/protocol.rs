//! A blocking client of the PostgreSQL protocol that keeps all of an answer: column names and types, command tags and
//! every field of an error, which drivers drop or interpret.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;

/// A server to connect to; no password is ever sent.
#[derive(Clone, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
    /// −1 when the type has none.
    pub type_modifier: i32,
}

/// What an ErrorResponse says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// In characters of the statement, from 1.
    pub position: Option<String>,
}

/// Everything a server sent for one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub columns: Vec<Column>,
    /// In text format. The lines of a COPY TO STDOUT are rows of one cell.
    pub rows: Vec<Vec<Option<String>>>,
    /// Empty after an error, and for a statement without a command.
    pub tag: String,
    pub error: Option<ServerError>,
}

/// A connection. After an I/O error it is of no further use.
pub struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

impl Connection {
    /// Connects. A server that is silent for longer than `silence` gives an I/O error from then on.
    pub fn open(address: &Address, silence: Duration) -> io::Result<Connection> {
        let stream = TcpStream::connect((address.host.as_str(), address.port))?;
        stream.set_read_timeout(Some(silence))?;
        stream.set_nodelay(true)?;
        let mut connection = Connection { stream, received: BytesMut::new() };
        let mut message = BytesMut::new();
        let parameters = [
            ("user", address.user.as_str()),
            ("database", address.database.as_str()),
            ("client_encoding", "UTF8"),
            ("TimeZone", "UTC"),
        ];
        frontend::startup_message(parameters, &mut message)?;
        connection.stream.write_all(&message)?;
        loop {
            match connection.receive()? {
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_) => {}
                Message::ReadyForQuery(_) => return Ok(connection),
                Message::ErrorResponse(body) => {
                    let error = server_error(body.fields())?;
                    return Err(io::Error::other(format!("{}: {}", error.sqlstate, error.message)));
                }
                _ => return Err(io::Error::other("the server asks for more than a user name")),
            }
        }
    }

    /// Runs one statement by the simple protocol.
    pub fn simple(&mut self, statement: &str) -> io::Result<Answer> {
        let mut message = BytesMut::new();
        frontend::query(statement, &mut message)?;
        self.stream.write_all(&message)?;
        self.answer()
    }

    /// Runs one statement by the extended protocol, with parameters in text format whose types are the given oids.
    pub fn extended(&mut self, statement: &str, parameters: &[(u32, Option<String>)]) -> io::Result<Answer> {
        let mut message = BytesMut::new();
        frontend::parse("", statement, parameters.iter().map(|(oid, _)| *oid), &mut message)?;
        let bound = frontend::bind(
            "",
            "",
            [],
            parameters,
            |(_, value), buffer| {
                let Some(text) = value else { return Ok(IsNull::Yes) };
                buffer.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            },
            [],
            &mut message,
        );
        bound.map_err(|_| io::Error::other("a parameter cannot be sent"))?;
        frontend::describe(b'P', "", &mut message)?;
        frontend::execute("", 0, &mut message)?;
        frontend::sync(&mut message);
        self.stream.write_all(&message)?;
        self.answer()
    }

    /// Reads up to ReadyForQuery.
    fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            match self.receive()? {
                Message::RowDescription(body) => {
                    let column = |field: postgres_protocol::message::backend::Field<'_>| {
                        Ok(Column {
                            name: field.name().to_owned(),
                            type_oid: field.type_oid(),
                            type_modifier: field.type_modifier(),
                        })
                    };
                    answer.columns = body.fields().map(column).collect()?;
                }
                Message::DataRow(body) => {
                    let cell = |range: Option<std::ops::Range<usize>>| {
                        let bytes = range.and_then(|range| body.buffer().get(range));
                        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                    };
                    answer.rows.push(body.ranges().map(cell).collect()?);
                }
                Message::CopyData(body) => {
                    let line = String::from_utf8_lossy(body.data()).trim_end_matches('\n').to_owned();
                    answer.rows.push(vec![Some(line)]);
                }
                Message::CopyInResponse(_) => {
                    let mut message = BytesMut::new();
                    frontend::copy_done(&mut message);
                    self.stream.write_all(&message)?;
                }
                Message::CommandComplete(body) => answer.tag = body.tag()?.to_owned(),
                Message::ErrorResponse(body) => answer.error = Some(server_error(body.fields())?),
                Message::ReadyForQuery(_) => return Ok(answer),
                _ => {}
            }
        }
    }

    fn receive(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.received)? {
                return Ok(message);
            }
            let mut chunk = [0; 16 << 10];
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            self.received.extend_from_slice(&chunk[..count]);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        // The server may be gone already.
        let _ = self.stream.write_all(&message);
    }
}

fn server_error(mut fields: ErrorFields<'_>) -> io::Result<ServerError> {
    let mut error = ServerError::default();
    while let Some(field) = fields.next()? {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => error.sqlstate = value,
            b'M' => error.message = value,
            b'D' => error.detail = Some(value),
            b'H' => error.hint = Some(value),
            b'P' => error.position = Some(value),
            _ => {}
        }
    }
    Ok(error)
}
