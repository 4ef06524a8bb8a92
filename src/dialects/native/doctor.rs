//! Whether the surroundings of the program are as they should be.

use utoipa::OpenApi;

use crate::dialects::native::Group;
use crate::dialects::native::Outcome;
use crate::dialects::native::Route;
use crate::dialects::native::doctor_wire::DoctorBody;
use crate::dialects::native::request::Request;
use crate::dialects::native::wire;
use crate::domain::token::Scope;

pub(super) const GROUP: Group = Group { routes: ROUTES, document: Document::openapi };

const ROUTES: &[Route] = &[Route {
    method: "GET",
    path: "/v1/doctor",
    // Directories of the machine are named, and other servers asked for the time.
    needs: Scope::Admin,
    query: &[],
    run: |request| Box::pin(look(request)),
}];

#[derive(OpenApi)]
#[openapi(
    paths(look),
    tags((name = "doctor", description = "Whether the surroundings are as they should be"))
)]
struct Document;

/// Looks at the program's surroundings
///
/// Directories and space, the clock, ports, the way in from outside, limits, libtorrent, the store.
/// The store is read as a whole and others may be asked for the time, so it takes a second or more;
/// the answer is good for five.
#[utoipa::path(get, path = "/v1/doctor", tag = "doctor",
    responses((status = 200, description = "What was found, whatever it is", body = DoctorBody)))]
async fn look(request: Request<'_>) -> Outcome {
    let findings = request.services().doctor.look().await?;
    Ok(wire::reply(200, &DoctorBody::of(&findings)))
}
