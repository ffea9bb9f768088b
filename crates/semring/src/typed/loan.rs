//! Room for one value.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::PlainData;
use crate::Loan;
use crate::error::Fault;

/// Holds room for one value, to be filled and [published](Self::publish). Dropping it gives the
/// room back.
#[must_use = "a loan that is not published sends nothing"]
#[derive(Debug)]
pub struct TypedLoan<'a, T> {
    /// As long as the type.
    pub(super) loan: Loan<'a>,
    pub(super) value: PhantomData<T>,
}

impl<T: PlainData> TypedLoan<'_, T> {
    /// Commits the value: it is delivered from now on. Does not block.
    ///
    /// # Errors
    ///
    /// As of [`Loan::publish`].
    pub fn publish(self) -> Result<(), Fault> {
        self.loan.publish()
    }
}

/// Only for types whose alignment a message has, which the build checks: 8 up to 56 bytes, 64
/// beyond.
impl<T: PlainData> Deref for TypedLoan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        bytemuck::from_bytes(&self.loan)
    }
}

impl<T: PlainData> DerefMut for TypedLoan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        bytemuck::from_bytes_mut(&mut self.loan)
    }
}
