//! What the messages of a typed channel are, in the segment's header and out of it.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::Ordering;

use crate::error::{AttachReason, Corrupt};
use crate::layout::{Identity, MAX_TYPE_NAME_BYTES};

/// Says which type both ends of a typed channel must mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageType {
    name: Cow<'static, str>,
    form: Form,
}

/// Says how a value becomes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it stands in memory, in messages of this size.
    Plain { bytes: u64, align: u32 },
    /// Serialized, in messages of any length. In the header: size and alignment 0.
    Serialized,
}

impl MessageType {
    /// Names values that are sent as they stand in memory.
    pub(crate) fn plain<T>(name: &'static str) -> Self {
        // No type is aligned to more than 2²⁹.
        let align = u32::try_from(align_of::<T>()).unwrap_or(u32::MAX);
        let bytes = size_of::<T>() as u64;
        Self {
            name: name.into(),
            form: Form::Plain { bytes, align },
        }
    }

    /// Names values that are sent serialized.
    #[cfg(feature = "serde")]
    pub(crate) fn serialized(name: &str) -> Self {
        Self {
            name: name.to_owned().into(),
            form: Form::Serialized,
        }
    }

    /// Returns the slot size of a new channel for which none was asked; `None` leaves the default.
    pub(crate) fn slot_bytes(&self) -> Option<u64> {
        match self.form {
            Form::Plain { bytes, .. } => Some(bytes.max(1)),
            Form::Serialized => None,
        }
    }

    /// Checks what is asked for, before anything is looked at.
    pub(crate) fn check(&self, slot_bytes: Option<u64>) -> Result<(), AttachReason> {
        if self.name.is_empty() || self.name.len() > MAX_TYPE_NAME_BYTES {
            let name = self.name.clone().into_owned();
            return Err(AttachReason::TypeName { name });
        }
        let (type_bytes, _) = self.sizes();
        match slot_bytes {
            Some(slot_bytes) if slot_bytes < type_bytes => Err(AttachReason::TypeTooLong {
                type_bytes,
                slot_bytes,
            }),
            _ => Ok(()),
        }
    }

    /// Size and alignment, as they stand in the header.
    const fn sizes(&self) -> (u64, u32) {
        match self.form {
            Form::Plain { bytes, align } => (bytes, align),
            Form::Serialized => (0, 0),
        }
    }

    /// Loads the type of a typed channel, checking every field against the others.
    pub(crate) fn load(identity: &Identity, slot_bytes: u64) -> Result<Self, Corrupt> {
        let bytes = identity.type_bytes.load(Ordering::Relaxed);
        let align = identity.type_align.load(Ordering::Relaxed);
        let name = identity.load_type_name()?;
        if name.is_empty() {
            return Err(Corrupt::new("type_name_bytes", 0, "1 to 176"));
        }
        let form = match align {
            0 if bytes == 0 => Form::Serialized,
            _ if align.is_power_of_two() => Form::Plain { bytes, align },
            _ => return Err(Corrupt::new("type_align", align.into(), "a power of two")),
        };
        if bytes > slot_bytes || !bytes.is_multiple_of(u64::from(align).max(1)) {
            let expected = format!("a multiple of type_align {align}, at most {slot_bytes}");
            return Err(Corrupt::new("type_bytes", bytes, expected));
        }
        let name = name.into();
        Ok(Self { name, form })
    }
}

/// Stores the type in a header that is being made, or that there is none.
pub(crate) fn store(identity: &Identity, message_type: Option<&MessageType>) {
    let (bytes, align) = message_type.map_or((0, 0), MessageType::sizes);
    identity.type_bytes.store(bytes, Ordering::Relaxed);
    identity.type_align.store(align, Ordering::Relaxed);
    identity.store_type_name(message_type.map_or("", |message_type| &message_type.name));
}

/// Checks that a channel without a type has none in its header.
pub(crate) fn check_untyped(identity: &Identity) -> Result<(), Corrupt> {
    let fields = [
        ("type_bytes", identity.type_bytes.load(Ordering::Relaxed)),
        (
            "type_align",
            identity.type_align.load(Ordering::Relaxed).into(),
        ),
        (
            "type_name_bytes",
            identity.type_name_bytes.load(Ordering::Relaxed).into(),
        ),
    ];
    match fields.into_iter().find(|&(_, found)| found != 0) {
        Some((field, found)) => Err(Corrupt::new(field, found, "0, since framing is not typed")),
        None => Ok(()),
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.form {
            Form::Plain { bytes, align } => {
                write!(f, "{name:?} ({bytes} bytes, aligned to {align})")
            }
            Form::Serialized => write!(f, "{name:?} (serialized)"),
        }
    }
}
