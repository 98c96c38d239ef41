//! Telling the connections of one worker that their listener goes: a flag that costs nothing to look at, and a call to those
//! that wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

/// Whether a listener goes.
#[derive(Default)]
pub struct Closing {
    closed: Cell<bool>,
    waiting: RefCell<Slab<Waker>>,
}

impl Closing {
    /// It goes.
    pub fn close(&self) {
        self.closed.set(true);
        for (_, waker) in self.waiting.borrow().iter() {
            waker.wake_by_ref();
        }
    }

    /// Whether it goes.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }
}

/// One task's watch over a [`Closing`].
pub struct Watch {
    closing: Rc<Closing>,
    key: Option<usize>,
}

impl Watch {
    /// A watch that is not called yet.
    pub fn new(closing: Rc<Closing>) -> Self {
        Self { closing, key: None }
    }

    /// Whether the listener goes; nobody is woken when it does.
    pub fn sees_it_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Whether the listener goes; if not, the task of the first call is woken when it does.
    pub fn is_closed(&mut self, context: &Context<'_>) -> bool {
        if self.key.is_none() {
            self.key = Some(self.closing.waiting.borrow_mut().insert(context.waker().clone()));
        }
        self.closing.is_closed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.closing.waiting.borrow_mut().try_remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
