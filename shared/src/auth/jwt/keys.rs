//! The keys of a provider: a JWK set with public keys alone.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::http::strict_json;

/// Bytes of a file with a set at most.
const MAX_BYTES: u64 = 256 << 10;
/// Characters of the modulus of an RSA key of 2048 bits, in base64url: shorter ones are too weak
/// (RFC 7518, section 3.3).
const RSA_MODULUS: usize = 342;
const EXPECTED_RSA: &str = "expected RSA keys of 2048 bits or more";

pub struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    /// What it may verify.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Reads a file with a set.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let said = |why: String| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| said(error.to_string()))?;
    let mut text = vec![];
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
    read.map_err(|error| said(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(said(format!("expected up to {MAX_BYTES} bytes")));
    }
    Ok(text)
}

impl Keys {
    /// Takes of a set in JSON what fits one of these algorithms; says why none does. Weak keys are left out:
    /// a provider may have one for others beside those that are wanted here.
    pub fn parse(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        let json = strict_json::read(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let set: JwkSet = serde_json::from_value(json)
            .map_err(|error| format!("expected a JWK set (RFC 7517, section 5): {error}"))?;
        let (mut keys, mut weak) = (vec![], 0);
        for jwk in set.keys.iter().filter(|jwk| is_for_signatures(jwk)) {
            let fitting = fitting(jwk)?;
            let fits = |one: &&Algorithm| algorithms.contains(one) && is_own(jwk, **one);
            let algorithms: Vec<Algorithm> = fitting.iter().filter(fits).copied().collect();
            if algorithms.is_empty() {
                continue;
            }
            if is_weak(jwk) {
                weak += 1;
                continue;
            }
            let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
            keys.push(Key { id: jwk.common.key_id.clone(), algorithms, key });
        }
        if keys.is_empty() {
            return Err(match weak {
                0 => format!("expected a public key for one of {algorithms:?}"),
                _ => EXPECTED_RSA.to_owned(),
            });
        }
        if weak > 0 {
            tracing::warn!(weak, "keys of the identity provider are left out: {EXPECTED_RSA}");
        }
        Ok(Self(keys))
    }

    /// How many keys there are: one at least.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a key by this id.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The only key by this id for this algorithm; without an id, the only one for the algorithm.
    pub fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<(&DecodingKey, &[Algorithm])> {
        let fits = |key: &&Key| {
            key.algorithms.contains(&algorithm) && (id.is_none() || id == key.id.as_deref())
        };
        let mut fitting = self.0.iter().filter(fits);
        let found = fitting.next().filter(|_| fitting.next().is_none())?;
        Some((&found.key, &found.algorithms))
    }
}

fn is_for_signatures(jwk: &Jwk) -> bool {
    !matches!(&jwk.common.public_key_use, Some(of) if *of != PublicKeyUse::Signature)
}

fn is_weak(jwk: &Jwk) -> bool {
    matches!(&jwk.algorithm, AlgorithmParameters::RSA(key) if key.n.len() < RSA_MODULUS)
}

/// The algorithms of its kind; none of a kind that is not known. A secret has no place in a set of public
/// keys: with one of them, each that reads the set could sign.
fn fitting(jwk: &Jwk) -> Result<&'static [Algorithm], String> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    Ok(match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        AlgorithmParameters::OctetKey(_) => {
            return Err("expected public keys alone, got a secret (kty \"oct\")".to_owned());
        }
        _ => &[],
    })
}

/// Whether it is the algorithm that the key names, where it names one.
fn is_own(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let named = jwk.common.key_algorithm;
    named.is_none_or(|named| named.to_string().parse().is_ok_and(|own: Algorithm| own == algorithm))
}
