//! Content codings of answers: zstd (RFC 8878) and gzip (RFC 1952), where a client takes them
//! (`Accept-Encoding`: RFC 9110, section 12.5.3).
//!
//! An answer in a coding has an `ETag` of its own, as RFC 9110, section 8.8.3.3 asks: the coding is
//! written behind the tag. Clients give such a tag back, to any service, and it counts as the tag of the
//! answer itself.

mod tags;

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use warp::reply::Response;

use self::tags::{Tags, tag};
use super::fixed::Fixed;

/// Bytes from which on it is worth it: less fits into one packet anyway.
const LEAST: u64 = 1 << 10;
/// Bytes from which on a thread of its own does it, as other requests would wait.
const LARGE: u64 = 64 << 10;

/// How far an answer is compressed.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// Of 1 to 22.
    zstd: i32,
    gzip: Compression,
}

/// The time counts, not the last percent.
const OF_ONE_ANSWER: Levels = Levels { zstd: 1, gzip: Compression::fast() };
/// It is made once and sent many times.
const OF_MANY_ANSWERS: Levels = Levels { zstd: 9, gzip: Compression::best() };

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Best first.
    const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// As `Accept-Encoding` and `Content-Encoding` have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn encode(self, body: &[u8], levels: Levels) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(body, levels.zstd),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(vec![], levels.gzip);
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }

    /// The body in this coding, where it gains by it.
    fn shorter(self, body: &[u8], levels: Levels) -> Option<Bytes> {
        let encoded = self.encode(body, levels).ok();
        encoded.filter(|encoded| encoded.len() < body.len()).map(Bytes::from)
    }

    /// The same of what is made once.
    pub(super) fn shortest(self, body: &[u8]) -> Option<Bytes> {
        self.shorter(body, OF_MANY_ANSWERS)
    }
}

/// Those that the client takes, and at least as gladly as none: best first.
fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let given: Vec<&str> =
        headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    let given: Vec<(&str, f32)> =
        given.iter().flat_map(|value| value.split(',')).filter_map(weighed).collect();
    let named = |name: &str| given.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
    let weight = |name: &str| named(name).or_else(|| named("*")).map(|(_, weight)| *weight);
    let plain = named("identity").map_or(0.0, |(_, weight)| *weight);
    let all = Coding::ALL.map(|coding| (coding, weight(coding.name()).unwrap_or(0.0)));
    let mut taken = Vec::from(all);
    taken.retain(|(_, weight)| *weight > 0.0 && *weight >= plain);
    taken.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    taken.into_iter().map(|(coding, _)| coding).collect()
}

/// A coding and how gladly it is taken; none where that can't be read.
fn weighed(text: &str) -> Option<(&str, f32)> {
    let (name, parameters) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight = parameters.trim().strip_prefix("q=")?.trim().parse().ok()?;
    Some((name.trim(), weight))
}

/// What a request says of codings.
pub(super) struct Codings {
    /// Best first.
    accepted: Vec<Coding>,
    /// Of what the client has.
    tags: Tags,
}

impl Codings {
    /// Takes the codings out of the tags that the client gives back.
    pub(super) fn of_request(headers: &mut HeaderMap) -> Self {
        let accepted = accepted(headers);
        let tags = Tags::of_request(headers, &accepted);
        Self { accepted, tags }
    }

    /// Puts the answer into the coding, where it gains by it.
    pub(super) async fn apply(self, mut response: Response) -> Response {
        if response.status() == StatusCode::NOT_MODIFIED {
            let headers = response.headers_mut();
            let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
            let known = etag.and_then(|etag| self.tags.known(etag, &self.accepted));
            known.into_iter().for_each(|coding| tag(headers, coding));
            // As the answer itself would have it (RFC 9110, section 15.4.5).
            headers.append(VARY, HeaderValue::from_static("accept-encoding"));
            return response;
        }
        let length = response.body().size_hint().exact().filter(|length| *length >= LEAST);
        let Some(length) = length.filter(|_| is_text(response.headers())) else { return response };
        response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
        let Some(coding) = self.accepted.first().copied() else { return response };
        let (mut head, body) = response.into_parts();
        let fixed = head.extensions.get::<Fixed>().cloned();
        let Ok(plain) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            // It is in memory, so that reading it does not fail.
            return Response::from_parts(head, Bytes::new().into());
        };
        let is_made = fixed.as_ref().is_some_and(|fixed| fixed.is_made(coding));
        let encode = {
            let plain = plain.clone();
            move || match fixed {
                Some(fixed) => fixed.coded(coding),
                None => coding.shorter(&plain, OF_ONE_ANSWER),
            }
        };
        let encoded = match length >= LARGE && !is_made {
            true => tokio::task::spawn_blocking(encode).await.ok().flatten(),
            false => encode(),
        };
        let Some(encoded) = encoded else { return Response::from_parts(head, plain.into()) };
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        head.headers.remove(http::header::CONTENT_LENGTH);
        tag(&mut head.headers, coding);
        Response::from_parts(head, encoded.into())
    }
}

/// Text that is complete and in no coding yet.
fn is_text(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = super::accept::essence(media);
    let is_text = media.starts_with("text/") || media.ends_with("json");
    is_text && media != "text/event-stream" && !headers.contains_key(CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_decides_on_the_coding() {
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&["identity"], &[]),
            (&["br, deflate"], &[]),
            (&["gzip, deflate, br, zstd"], &[Coding::Zstd, Coding::Gzip]),
            (&["gzip"], &[Coding::Gzip]),
            (&["deflate", "GZIP"], &[Coding::Gzip]),
            (&["zstd;q=0.5, gzip;q=0.8"], &[Coding::Gzip, Coding::Zstd]),
            (&["zstd;q=0, gzip ; q=0.1"], &[Coding::Gzip]),
            (&["gzip;q=0"], &[]),
            (&["gzip;q=x"], &[]),
            (&["*"], &[Coding::Zstd, Coding::Gzip]),
            (&["zstd;q=0, *;q=0.5"], &[Coding::Gzip]),
            (&["identity, gzip;q=0.5"], &[]),
        ] {
            let given: Vec<_> = given.iter().map(|text| (ACCEPT_ENCODING, *text)).collect();
            let given = given.into_iter().map(|(name, text)| (name, text.parse().unwrap()));
            assert_eq!(accepted(&given.clone().collect()), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_what_gains_nothing_stays_as_it_is() {
        let text = "{\"a\": 1}".repeat(40_000);
        for (coding, body, media, is_coded) in [
            (Coding::Zstd, text.as_str(), "application/json", true),
            (Coding::Gzip, &text[..2_000], "application/problem+json; charset=utf-8", true),
            (Coding::Gzip, &text[..1_000], "application/json", false),
            (Coding::Zstd, &text[..2_000], "image/png", false),
            (Coding::Zstd, &text[..2_000], "text/event-stream", false),
        ] {
            let mut response = Response::new(body.to_owned().into());
            response.headers_mut().insert(CONTENT_TYPE, media.parse().unwrap());
            let tags = Tags::of_request(&mut HeaderMap::new(), &[coding]);
            let codings = Codings { accepted: vec![coding], tags };
            let (head, answered) = codings.apply(response).await.into_parts();
            let named = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
            assert_eq!(named, is_coded.then(|| coding.name().as_bytes()), "{media}");
            let answered = answered.collect().await.unwrap().to_bytes();
            let plain = match (is_coded, coding) {
                (false, _) => answered.to_vec(),
                (true, Coding::Zstd) => zstd::decode_all(&answered[..]).unwrap(),
                (true, Coding::Gzip) => {
                    let mut plain = vec![];
                    let mut decoder = flate2::read::GzDecoder::new(&answered[..]);
                    std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
                    plain
                }
            };
            assert!(plain == body.as_bytes(), "{media} in {coding:?}");
        }
    }
}
