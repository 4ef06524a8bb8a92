//! What the engine learns of its own place in the network: where it listens, where it cannot, and
//! what routers said to the wish for a port.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::engine::ffi::bridge::Alert;
use crate::engine::ffi::bridge::AlertKind;

/// Texts of one kind that are kept; the latest count.
const TEXTS_MAX: usize = 8;

/// A port that a router forwards to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The router's port.
    pub port: u16,
    /// Who was asked: `upnp` or `natpmp`.
    pub via: String,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// What is known of the way to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Ports that routers forward.
    pub mappings: Vec<PortMapping>,
    /// Why routers did not.
    pub mapping_failures: Vec<String>,
    /// Where it cannot listen, and why.
    pub listen_failures: Vec<String>,
}

/// The same, written by the engine thread and read by everybody.
#[derive(Default)]
pub(crate) struct Noted {
    outside: Mutex<Outside>,
}

impl Noted {
    pub(crate) fn get(&self) -> Outside {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what an alert says of it, if anything.
    pub(crate) fn note(&self, alert: &Alert) {
        let mut outside = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
        match alert.kind {
            AlertKind::PortMapped => {
                let port = u16::try_from(alert.number).unwrap_or(0);
                let (via, protocol) = (alert.text.clone(), alert.path.clone());
                let mapping = PortMapping { port, via, protocol };
                let is_same = |known: &PortMapping| {
                    known.via == mapping.via && known.protocol == mapping.protocol
                };
                outside.mappings.retain(|known| !is_same(known));
                outside.mappings.push(mapping);
            }
            AlertKind::PortMapFailed => keep(&mut outside.mapping_failures, &alert.text),
            AlertKind::ListenFailed => {
                let text = format!("{}: {}", alert.path, alert.text);
                keep(&mut outside.listen_failures, &text);
            }
            _ => {}
        }
    }
}

fn keep(texts: &mut Vec<String>, text: &str) {
    texts.retain(|known| known != text);
    if texts.len() == TEXTS_MAX {
        texts.remove(0);
    }
    texts.push(text.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind, number: i64, text: &str) -> Alert {
        Alert {
            kind,
            token: 0,
            number,
            more: 0,
            text: text.into(),
            url: String::new(),
            path: "tcp".into(),
            data: Vec::new(),
            metadata: Vec::new(),
        }
    }

    #[test]
    fn the_latest_word_of_each_router_counts() {
        let noted = Noted::default();
        noted.note(&alert(AlertKind::PortMapped, 1000, "upnp"));
        noted.note(&alert(AlertKind::PortMapped, 2000, "upnp"));
        noted.note(&alert(AlertKind::PortMapped, 3000, "natpmp"));
        for number in 0..20 {
            noted.note(&alert(AlertKind::PortMapFailed, 0, &format!("refused {}", number % 12)));
        }
        noted.note(&alert(AlertKind::ListenFailed, 0, "in use"));
        let outside = noted.get();
        let ports: Vec<u16> = outside.mappings.iter().map(|one| one.port).collect();
        assert_eq!(ports, [2000, 3000]);
        assert_eq!(outside.mapping_failures.len(), TEXTS_MAX);
        assert_eq!(outside.mapping_failures.last().unwrap(), "refused 7");
        assert_eq!(outside.listen_failures, ["tcp: in use"]);
    }
}
