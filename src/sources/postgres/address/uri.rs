//! A PostgreSQL URL as text: taken apart into settings, and written from them.
//!
//! `postgresql://USER@HOST:PORT,HOST:PORT/DATABASE?SETTING=VALUE&…`, everything percent-encoded where it has to be. A socket's
//! folder stands in `host`, in the authority (`%2Frun%2Fpostgresql`) or as a setting.

use std::fmt::Write;

use super::fault::Fault;
use super::settings::Settings;

/// The settings that the text after `postgresql:` names.
pub(super) fn read(text: &str) -> Result<Settings, Fault> {
    let mut rest = text.strip_prefix("//").ok_or(Fault::Malformed("“//” is missing after the scheme"))?;
    let mut settings = Settings::default();
    let head = rest.find('/').unwrap_or(rest.len());
    if let Some(at) = rest[..head].find('@') {
        let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
        if !password.is_empty() {
            return Err(Fault::Secret);
        }
        settings.set("user", decoded(user)?)?;
        rest = &rest[at + 1..];
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    read_hosts(&rest[..end], &mut settings)?;
    let (path, query) = rest[end..].split_once('?').unwrap_or((&rest[end..], ""));
    settings.set("dbname", decoded(path.strip_prefix('/').unwrap_or(path))?)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(Fault::Malformed("a setting after “?” has no “=”"))?;
        settings.set(&decoded(name)?, decoded(value)?)?;
    }
    Ok(settings)
}

/// Hosts and ports of an authority, as the lists that the settings `host` and `port` are.
fn read_hosts(text: &str, settings: &mut Settings) -> Result<(), Fault> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in text.split(',') {
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(Fault::Malformed("“]” is missing after an IPv6 address"))?;
                let port =
                    if port.is_empty() { "" } else { port.strip_prefix(':').ok_or(Fault::Malformed("“:” is missing after “]”"))? };
                (host, port)
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        hosts.push(decoded(host)?);
        ports.push(decoded(port)?);
    }
    if ports.iter().any(|port| !port.is_empty()) {
        let ports: Vec<&str> = ports.iter().map(|port| if port.is_empty() { "5432" } else { port }).collect();
        settings.set("port", ports.join(","))?;
    }
    settings.set("host", hosts.join(","))
}

/// The URL of `settings`.
pub(super) fn write(settings: &Settings) -> String {
    let mut url = "postgresql://".to_owned();
    if let Some(user) = settings.get("user") {
        encode(user, "", &mut url);
        url.push('@');
    }
    let authority = authority(settings);
    url += authority.as_deref().unwrap_or_default();
    url.push('/');
    encode(settings.get("dbname").unwrap_or_default(), "", &mut url);
    let mut between = '?';
    for (name, value) in settings.iter() {
        let stands_above = matches!(name, "user" | "dbname") || (authority.is_some() && matches!(name, "host" | "port"));
        if !stands_above {
            let _ = write!(url, "{between}{name}=");
            encode(value, "/,:", &mut url);
            between = '&';
        }
    }
    url
}

/// Hosts with their ports, where they can stand in an authority that people read; sockets cannot.
fn authority(settings: &Settings) -> Option<String> {
    let hosts: Vec<&str> = settings.get("host")?.split(',').collect();
    let ports: Vec<&str> = settings.get("port")?.split(',').collect();
    if hosts.len() != ports.len() || hosts.iter().any(|host| host.is_empty() || host.starts_with(['/', '@'])) {
        return None;
    }
    let place = |(host, port): (&&str, &&str)| {
        let mut text = String::new();
        match host.contains(':') {
            true => {
                text.push('[');
                encode(host, ":", &mut text);
                text.push(']');
            }
            false => encode(host, "", &mut text),
        }
        text + ":" + port
    };
    Some(hosts.iter().zip(&ports).map(place).collect::<Vec<_>>().join(","))
}

fn decoded(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next()), digit(rest.next()));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(Fault::Malformed(
                    "“%” stands before something that is not two hexadecimal digits; write a percent sign as %25",
                ));
            };
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    if bytes.contains(&0) {
        return Err(Fault::Malformed("%00 cannot stand in it"));
    }
    String::from_utf8(bytes).map_err(|_| Fault::Malformed("its percent-encoded bytes are not UTF-8"))
}

/// Adds `text`, with everything encoded that is neither plain nor in `also`.
fn encode(text: &str, also: &str, to: &mut String) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte);
        let _ = if plain { write!(to, "{}", char::from(byte)) } else { write!(to, "%{byte:02X}") };
    }
}
