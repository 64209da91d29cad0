//! What providers say of a message after they have taken it (row D4). It never counts as a person.

use super::visit::word_enum;
use serde::{Deserialize, Serialize};

word_enum! {
    /// How it stands with a message. Ordered: receipts come late, doubled and in any order, and none takes back one that says
    /// more. What is on a phone is there, even if somebody had given it up.
    #[derive(PartialOrd, Ord)]
    Standing {
        /// A network has it.
        OnItsWay = "on_its_way",
        /// It will not arrive.
        Failed = "failed",
        /// It is on the phone, or with the mail server.
        Delivered = "delivered",
    }
}

impl Standing {
    /// What is known once a receipt says this; `None`: nothing new.
    pub fn after(self, before: Option<Self>) -> Option<Self> {
        before.is_none_or(|before| before < self).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_takes_back_what_is_known() {
        use Standing::{Delivered, Failed, OnItsWay};
        assert_eq!(OnItsWay.after(None), Some(OnItsWay));
        assert_eq!(Failed.after(Some(OnItsWay)), Some(Failed));
        assert_eq!(Delivered.after(Some(Failed)), Some(Delivered));
        for (said, before) in
            [(Failed, Delivered), (OnItsWay, Delivered), (OnItsWay, Failed), (Failed, Failed)]
        {
            assert_eq!(said.after(Some(before)), None);
        }
    }
}
