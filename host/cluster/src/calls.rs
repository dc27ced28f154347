//! Each call to the API server, told to an observer: what was asked, how it was answered, and how long that took.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request, Response, Uri};
use tower::{Layer, Service};

/// What Aviary asks for; anything else is `other`.
const RESOURCES: [&str; 9] = [
    "configmaps",
    "deployments",
    "events",
    "horizontalpodautoscalers",
    "leases",
    "namespaces",
    "pods",
    "replicasets",
    "selfsubjectaccessreviews",
];

/// What is asked of the API server, in its own words; few enough to count by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// As in a Role, such as `list`; `other` where none fits.
    pub verb: &'static str,
    /// In the plural; `other` for what Aviary never asks for.
    pub resource: &'static str,
    /// Where; none for what is in no namespace.
    pub namespace: Option<String>,
}

/// Hears of each call when its answer begins.
pub trait CallObserver: Send + Sync + 'static {
    /// `status` is the HTTP status, none where no answer came; `took` is the time to the head of the answer.
    fn called(&self, call: &Call, status: Option<u16>, took: Duration);
}

/// Nobody listens.
impl CallObserver for () {
    fn called(&self, _: &Call, _: Option<u16>, _: Duration) {}
}

impl Call {
    fn of(method: &Method, uri: &Uri) -> Self {
        let mut parts = uri.path().trim_matches('/').split('/');
        // /api/v1/... or /apis/GROUP/VERSION/...
        let skipped = if parts.next() == Some("apis") { 2 } else { 1 };
        let rest: Vec<&str> = parts.skip(skipped).collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let resource = rest.first().and_then(|found| RESOURCES.into_iter().find(|known| known == found));
        Self { verb: verb(method, rest.len() > 1, uri), resource: resource.unwrap_or("other"), namespace }
    }
}

fn verb(method: &Method, named: bool, uri: &Uri) -> &'static str {
    let watches = || uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
    match *method {
        Method::GET if watches() => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// Puts an observer round a client's service.
pub(crate) struct Observing(pub(crate) Arc<dyn CallObserver>);

impl<S> Layer<S> for Observing {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, observer: Arc::clone(&self.0) }
    }
}

/// A service whose calls are told.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    observer: Arc<dyn CallObserver>,
}

impl<S, A, B> Service<Request<A>> for Observed<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (call, observer) = (Call::of(request.method(), request.uri()), Arc::clone(&self.observer));
        let begun = Instant::now();
        let answer = self.inner.call(request);
        let told = answer.inspect(move |answer| {
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            observer.called(&call, status, begun.elapsed());
        });
        told.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_in_the_words_of_a_role() {
        let table = [
            ("GET", "/apis/apps/v1/namespaces/shop/deployments?limit=50", "list", "deployments", Some("shop")),
            ("GET", "/api/v1/namespaces/shop/pods?&watch=true&timeoutSeconds=45", "watch", "pods", Some("shop")),
            ("GET", "/api/v1/namespaces/shop", "get", "namespaces", None),
            ("GET", "/api/v1/namespaces", "list", "namespaces", None),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/foo?", "patch", "deployments", Some("shop")),
            ("PUT", "/api/v1/namespaces/shop/configmaps/foo.aviary", "update", "configmaps", Some("shop")),
            ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/foo-canary", "delete", "deployments", Some("shop")),
            ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events", "create", "events", Some("shop")),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "create",
                "selfsubjectaccessreviews",
                None,
            ),
            ("GET", "/api/v1/namespaces/shop/secrets/x", "get", "other", Some("shop")),
            ("OPTIONS", "/", "other", "other", None),
        ];
        for (method, uri, verb, resource, namespace) in table {
            let call = Call::of(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(call, Call { verb, resource, namespace: namespace.map(str::to_owned) }, "{method} {uri}");
        }
    }
}
