//! Users: whether there is one, making the first, logging in (sections 1 and 2).

use crate::dialects::porla::Porla;
use crate::dialects::porla::auth;
use crate::dialects::porla::errors::Failure;
use crate::dialects::porla::errors::logged;
use crate::dialects::porla::json::Outcome;
use crate::dialects::porla::json::Params;
use crate::dialects::porla::json::answer;
use crate::dialects::porla::json::empty;
use crate::dialects::porla::ok;
use crate::dialects::porla::text;
use crate::dialects::porla::users_wire;
use crate::dialects::porla::users_wire::NewLogin;
use crate::domain::error::Error;
use crate::domain::error::ErrorKind;
use crate::http::Call;
use crate::http::Reply;
use crate::http::credentials;
use crate::service::users::LoginRefused;

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a login says when the name or the password is wrong: 200, and this.
const INVALID: &[u8] = b"{\"error\":\"invalid_auth\"}";

impl Porla {
    pub(super) fn system(&self) -> Reply {
        ok(format!("{{\"status\":\"{}\"}}", self.stage()).into_bytes())
    }

    /// Makes the first user.
    pub(super) async fn init(&self, call: &mut Call) -> Reply {
        // Judged before the body is read; whether a token is needed at all is the service's to say.
        let by = auth::check(&self.services.auth, call).ok();
        if credentials::may_be_forged(call, &["application/json"]) {
            return text(415, "A browser must send Content-Type: application/json");
        }
        if self.services.users.any() {
            return text(400, "Already initialized");
        }
        let (name, password) = match self.login_body(call, "Missing 'username' or 'password'").await
        {
            Ok(login) => login,
            Err(reply) => return reply,
        };
        match self.services.users.create_first(by.as_ref(), &name, &password).await {
            Ok(()) => Reply::new(200).bytes(b"{\"ok\": true }".to_vec()),
            Err(error) => not_made(&error),
        }
    }

    /// Answers a right password with a token.
    pub(super) async fn login(&self, call: &mut Call) -> Reply {
        if credentials::may_be_forged(call, &["application/json"]) {
            return text(415, "A browser must send Content-Type: application/json");
        }
        let from = call.peer().ip();
        let (name, password) = match self.login_body(call, "Invalid request").await {
            Ok(login) => login,
            Err(reply) => return reply,
        };
        match self.services.users.login(from, &name, &password).await {
            Ok(token) => {
                let (name, age) = (auth::COOKIE, "Max-Age=86400; SameSite=Strict");
                let cookie = format!("{name}={token}; Path=/; HttpOnly; {age}");
                ok(users_wire::token(&token)).header("set-cookie", &cookie)
            }
            Err(LoginRefused::Wrong) => ok(INVALID.to_vec()),
            Err(LoginRefused::TooManyAtOnce) => text(400, "Too many attempts"),
            Err(LoginRefused::TooOften { retry_after_s }) => auth::too_many(retry_after_s),
            Err(LoginRefused::Failed(error)) => text(500, logged(&error).public_message()),
        }
    }

    /// As [`Porla::init`], as a method of the later line. It is called with a token, as all are.
    pub(super) async fn auth_init(&self, params: Params) -> Outcome {
        let by = params.by.clone();
        let wish: NewLogin = params.read()?;
        let made =
            self.services.users.create_first(Some(&by.grant), &wish.username, &wish.password).await;
        made.map_err(|error| match error.kind() {
            ErrorKind::Conflict => Failure::of(-1, "Auth already initialized."),
            _ => Failure::from(error),
        })?;
        empty()
    }

    /// As [`Porla::login`], as a method of the later line.
    pub(super) async fn auth_login(&self, params: Params) -> Outcome {
        let from = params.by.address;
        let wish: NewLogin = params.read()?;
        match self.services.users.login(from, &wish.username, &wish.password).await {
            Ok(token) => answer(&users_wire::Token { token: &token }),
            Err(LoginRefused::Wrong) => Err(Failure::of(-1, "Invalid username/password.")),
            Err(LoginRefused::TooManyAtOnce) => Err(Failure::of(-1, "Too many attempts")),
            Err(LoginRefused::TooOften { retry_after_s }) => {
                Err(Failure::of(-1, format!("Too many attempts: wait {retry_after_s} s")))
            }
            Err(LoginRefused::Failed(error)) => Err(Failure::from(error)),
        }
    }

    /// What `/api/v1/system` tells, as a method of the later line.
    pub(super) async fn status(&self, _: Params) -> Outcome {
        answer(&users_wire::Status { status: self.stage() })
    }

    fn stage(&self) -> &'static str {
        if self.services.users.any() { "ok" } else { "setup" }
    }

    /// Name and password, or the answer to a body that lacks them.
    async fn login_body(&self, call: &mut Call, missing: &str) -> Result<(String, String), Reply> {
        let body = call.json(BODY_BYTES_MAX).await;
        let body = body.map_err(|_| text(400, "Invalid request"))?;
        let login = users_wire::login(&body).map_err(|why| text(400, &why))?;
        login.username.zip(login.password).ok_or_else(|| text(400, missing))
    }
}

fn not_made(error: &Error) -> Reply {
    match error.kind() {
        ErrorKind::Conflict => text(400, "Already initialized"),
        ErrorKind::Forbidden => text(401, "Unauthorized"),
        ErrorKind::Invalid => text(400, error.public_message()),
        ErrorKind::Busy => text(400, "Too many attempts"),
        ErrorKind::StorageFull => text(507, error.public_message()),
        _ => text(500, logged(error).public_message()),
    }
}
