//! Clients on HTTP/2: a task for the connection, and one for each request while it is under way.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::super::courier::{self, Errand};
use super::super::exchange::ConnectionInfo;
use super::super::fault::Fault;
use super::super::worker::Worker;
use super::http1::HEAD_TIMEOUT;
use super::{Client, LONGEST_HEAD, refuse};
use crate::drain::Visiting;
use crate::http2::{Arrived, Limits, Reason, Role};
use crate::io::{self, Alarm, Driver, Http2, Ready, Session, Source as _, Wire};
use crate::message::{Broken, Field, Response, Size};

/// What a client may do.
const LIMITS: Limits =
    Limits { streams: 256, head: LONGEST_HEAD, stream_window: 256 * 1024, connection_window: 1024 * 1024 };
/// Silence after which a client is asked whether it is there, and how long it may take to say so.
const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);

/// A request's stream.
pub struct Http2Client {
    /// It, with its bodies.
    pub body: Http2,
    /// The answer is to be a head alone.
    pub head_request: bool,
    /// It waits to be asked for its body.
    expects: bool,
    /// Its deadlines.
    pub alarm: Alarm,
}

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, info: Rc<ConnectionInfo>, wire: Wire, visiting: Visiting) {
    let driver = Driver::new(wire, Role::Server, LIMITS, (SILENCE, PATIENCE));
    let opening = Some((Instant::now() + HEAD_TIMEOUT, Alarm::default()));
    let mut serving = Serving { callers: Callers { worker, info }, driver, visiting, opening };
    poll_fn(|context| serving.poll(context)).await;
}

struct Serving {
    callers: Callers,
    driver: Driver,
    visiting: Visiting,
    /// When the client's first settings must have come; none: they have.
    opening: Option<(Instant, Alarm)>,
}

impl Serving {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.visiting.asked(context) {
            self.driver.session().leave();
        }
        let callers = &self.callers;
        if self.driver.poll(&mut |session, arrived| callers.begin(session, arrived), context).is_ready() {
            return Poll::Ready(());
        }
        self.visiting.idles(self.driver.session().look(|connection| connection.streams() == 0));
        if let Some((deadline, alarm)) = &mut self.opening {
            if !self.driver.session().look(|connection| connection.peer.told) {
                return alarm.poll(*deadline, context);
            }
            self.opening = None;
        }
        Poll::Pending
    }
}

/// Where requests come from, and who answers them.
struct Callers {
    worker: Rc<Worker>,
    info: Rc<ConnectionInfo>,
}

impl Callers {
    fn begin(&self, session: &Session, arrived: Arrived) {
        let Arrived { key, request } = arrived;
        let (worker, info) = (Rc::clone(&self.worker), Rc::clone(&self.info));
        let head_request = request.as_ref().is_some_and(|request| request.method == Method::HEAD);
        let expects = request.as_ref().is_some_and(|r| r.size != Size::None && r.fields.has(Field::Expect));
        let body = Http2::new(session.clone(), key);
        let mut client = Http2Client { body, head_request, expects, alarm: Alarm::default() };
        let Some(request) = request else {
            tokio::task::spawn_local(async move {
                refuse(&worker, &info, &mut Client::Http2(&mut client), Fault::HeadTooLarge).await;
            });
            return;
        };
        courier::send(Errand { worker, info, client, request });
    }
}

impl Http2Client {
    /// Begins the answer.
    ///
    /// # Errors
    ///
    /// The stream has ended.
    pub fn begin(&mut self, response: &Response, bodiless: bool) -> Result<(), Broken> {
        let date = (!response.fields.has(Field::Date)).then(io::date);
        let ended = bodiless || matches!(response.size, Size::None | Size::Known(0));
        self.body.answer(response, date.as_ref().map(<[u8; _]>::as_slice), ended)
    }

    /// Passes on an informational answer. One that comes too late is nobody's loss.
    pub fn inform(&mut self, response: &Response) {
        let _ = self.body.answer(response, None, false);
    }

    /// The body of the request, which the client may want to be asked for (RFC 9110 section 10.1.1).
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<Ready, Broken>> {
        let ready = self.body.poll_ready(context);
        if ready.is_pending() && std::mem::take(&mut self.expects) {
            self.inform(&Response::new(StatusCode::CONTINUE, Size::None));
        }
        ready
    }

    /// Ready once the client has reset the stream, or gone.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.body.poll_gone(context)
    }

    /// Breaks the answer off.
    pub fn abort(&mut self) {
        self.body.reset(Reason::INTERNAL_ERROR);
    }
}
