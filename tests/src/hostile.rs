//! A relay that lies: an actor between installations and the honest service, with power over every frame.
//!
//! ```text
//!   installation ──▶ asked ──▶ honest service
//!                ◀── answered ◀──┤ (knows the question)
//!                ◀── pushed ◀────┘
//! ```
//!
//! A trick implements what it needs of [`Hostile`]; all else passes. It knows whom it serves, so it can tell each victim something
//! else, and it may keep all that ever passed. What it can't do is what a relay can't do: it has no secret of any device. An
//! accomplice who has an account is an installation of its own, whose material a trick may use.

use wheesht_core::proto::relay::{Error, ErrorCode, client_frame, relay_frame};

/// Which installation is served, in the order in which they were made.
pub type Victim = usize;

/// What becomes of a question.
pub enum Asked {
    /// The honest service gets it, as it is now.
    Serve(client_frame::Body),
    /// It never gets there; this is the answer.
    Answer(relay_frame::Body),
    /// Nothing happens, ever.
    Silence,
}

/// A relay that lies. See the module.
pub trait Hostile {
    /// A question has come.
    fn asked(&mut self, _victim: Victim, question: client_frame::Body) -> Asked {
        Asked::Serve(question)
    }

    /// The service has answered a question.
    fn answered(
        &mut self,
        _victim: Victim,
        _question: &client_frame::Body,
        answer: relay_frame::Body,
    ) -> relay_frame::Body {
        answer
    }

    /// The service pushes something: this goes instead.
    fn pushed(&mut self, _victim: Victim, push: relay_frame::Body) -> Vec<relay_frame::Body> {
        vec![push]
    }
}

/// The simplest trick: a change to everything that the relay says.
impl<F: FnMut(Victim, &mut relay_frame::Body)> Hostile for F {
    fn answered(
        &mut self,
        victim: Victim,
        _: &client_frame::Body,
        mut answer: relay_frame::Body,
    ) -> relay_frame::Body {
        self(victim, &mut answer);
        answer
    }

    fn pushed(&mut self, victim: Victim, mut push: relay_frame::Body) -> Vec<relay_frame::Body> {
        self(victim, &mut push);
        vec![push]
    }
}

/// A refusal.
pub fn refusal(code: ErrorCode, retry_after_ms: u32) -> relay_frame::Body {
    relay_frame::Body::Error(Error { code: code.into(), detail: "no".to_owned(), retry_after_ms })
}
