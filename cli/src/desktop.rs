//! Notifications by the desktop. Its service is spoken to by a thread of its own, and may hang as long as it likes: what it doesn't
//! take at once is dropped.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Notifications that may wait for the service.
const WAITING: usize = 4;

/// What shows a notification, and may take its time over it.
pub(crate) trait Service {
    fn show(&mut self, title: &str, body: &str);
}

/// See the module's story.
pub(crate) struct Desktop(SyncSender<(String, String)>);

impl Desktop {
    /// The service of this desktop, if there is one.
    pub(crate) fn find() -> Option<Self> {
        #[cfg(all(unix, not(target_os = "macos")))]
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
            return Self::with(bus::Bus::connect).ok();
        }
        None
    }

    /// A service that is found, and spoken to, in the thread.
    fn with<S: Service>(connect: impl FnOnce() -> Option<S> + Send + 'static) -> io::Result<Self> {
        let (sender, waiting) = sync_channel(WAITING);
        let work = move || {
            if let Some(service) = connect() {
                serve(service, &waiting);
            }
        };
        std::thread::Builder::new().name("notifications".to_owned()).spawn(work)?;
        Ok(Self(sender))
    }

    /// Has it shown, unless too many wait. Returns at once.
    pub(crate) fn show(&self, title: &str, body: &str) {
        let _ = self.0.try_send((title.to_owned(), body.to_owned()));
    }
}

fn serve(mut service: impl Service, waiting: &Receiver<(String, String)>) {
    while let Ok((title, body)) = waiting.recv() {
        service.show(&title, &body);
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod bus {
    use std::collections::HashMap;

    use zbus::{blocking::Connection, zvariant::Value};

    const SERVICE: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";

    /// The service that the freedesktop specification describes.
    pub(super) struct Bus(Connection);

    impl Bus {
        pub(super) fn connect() -> Option<Self> {
            Connection::session().ok().map(Self)
        }
    }

    impl super::Service for Bus {
        fn show(&mut self, title: &str, body: &str) {
            let hints: HashMap<&str, Value<'_>> = HashMap::from([("category", Value::from("im.received"))]);
            let actions: [&str; 0] = [];
            let body = as_it_stands(body);
            let message = ("Wheesht", 0_u32, "", title, body, actions.as_slice(), hints, -1_i32);
            let _ = self.0.call_method(Some(SERVICE), PATH, Some(SERVICE), "Notify", &message);
        }
    }

    /// A body may hold markup; ours is to be read as it stands.
    pub(super) fn as_it_stands(body: &str) -> String {
        body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    };

    use super::*;

    /// A service that shows one notification whenever it is told to go on.
    struct Slow {
        shown: Arc<Mutex<Vec<String>>>,
        took: Sender<()>,
        go_on: Receiver<()>,
    }

    impl Service for Slow {
        fn show(&mut self, title: &str, body: &str) {
            let _ = self.took.send(());
            let _ = self.go_on.recv();
            self.shown.lock().unwrap().push(format!("{title}: {body}"));
        }
    }

    #[test]
    fn a_service_that_hangs_holds_nobody_up() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (took, taken) = channel();
        let (go, go_on) = channel();
        let service = Slow { shown: shown.clone(), took, go_on };
        let desktop = Desktop::with(move || Some(service)).unwrap();
        desktop.show("bob", "0");
        taken.recv().unwrap();
        // It hangs now. Whatever comes is taken or dropped, and nobody waits.
        for n in 1..1_000 {
            desktop.show("bob", &n.to_string());
        }
        assert!(shown.lock().unwrap().is_empty());
        for _ in 0..WAITING {
            go.send(()).unwrap();
            taken.recv().unwrap();
        }
        drop(go);
        drop(desktop);
        // Only what fitted into the queue came through, in its order.
        let mut all = shown.lock().unwrap().clone();
        all.truncate(WAITING);
        assert_eq!(all, ["bob: 0", "bob: 1", "bob: 2", "bob: 3"]);
    }

    #[test]
    fn a_desktop_without_a_service_is_none() {
        let desktop = Desktop::with(|| None::<Slow>).unwrap();
        for n in 0..100 {
            desktop.show("bob", &n.to_string());
        }
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn a_body_is_no_markup() {
        assert_eq!(bus::as_it_stands("<b>&</b>"), "&lt;b&gt;&amp;&lt;/b&gt;");
    }
}
