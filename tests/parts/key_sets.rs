//! Which key of a set a token is checked with, and for which algorithm.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm::{self, ES256, EdDSA, HS256, PS256, RS256, RS512};
use jsonwebtoken::{EncodingKey, Header, encode};
use kernel::Timestamp;
use serde_json::{Value, json};
use shared::auth::KeySource;
use shared::auth::jwt::{Claims, Config, Verifier};
use tests::jwt_keys::{EC, ED, RSA, RSA_PEM, STRANGER, SigningKey, base64url};

fn claims(subject: &str) -> Value {
    let exp = Timestamp::now().as_millis() / 1_000 + 600;
    json!({
        "iss": "https://id.example", "aud": "waybill", "sub": subject, "exp": exp, "roles": ["query"],
    })
}

/// Takes tokens that are signed by these keys, with these algorithms.
fn verifier(keys: &[Value], algorithms: &[Algorithm]) -> Result<Verifier, String> {
    let config = Config {
        keys: KeySource::File("jwks.json".into()),
        issuer: "https://id.example".to_owned(),
        audience: "waybill".to_owned(),
        algorithms: algorithms.to_vec(),
        leeway: Duration::from_secs(5),
        claims: Claims { roles: "roles".to_owned(), prefix: String::new(), owner: None },
    };
    Verifier::new(&config, json!({ "keys": keys }).to_string().as_bytes())
}

fn public(key: &SigningKey) -> Value {
    serde_json::from_str(key.public()).unwrap()
}

/// The public key with one more member, or another value of it.
fn with(key: &SigningKey, name: &str, value: &str) -> Value {
    let mut key = public(key);
    key[name] = json!(value);
    key
}

fn header(id: Option<&str>, algorithm: Algorithm) -> Header {
    Header { kid: id.map(str::to_owned), ..Header::new(algorithm) }
}

fn signed(header: &Header, key: &EncodingKey) -> String {
    encode(header, &claims("ann"), key).unwrap()
}

fn takes(verifier: &Verifier, token: &str) -> bool {
    verifier.find(token).is_ok()
}

#[test]
fn a_token_signed_with_rsa_is_taken_and_none_whose_secret_is_the_public_key() {
    let verifier = verifier(&[public(&RSA), public(&EC)], &[RS256, PS256, ES256]).unwrap();
    let good = RSA.sign(&claims("ann"));
    assert_eq!(verifier.find(&good).unwrap().name, "jwt:ann");
    assert!(takes(&verifier, &signed(&header(Some("rsa"), PS256), &RSA.key())));
    assert!(takes(&verifier, &signed(&header(None, RS256), &RSA.key())));
    let parts: Vec<&str> = good.split('.').collect();
    let (head, payload, signature) = (parts[0], parts[1], parts[2]);
    let other = base64url(claims("bob").to_string().as_bytes());
    for (what, token) in [
        ("another payload", format!("{head}.{other}.{signature}")),
        ("no signature", format!("{head}.{payload}.")),
        ("a signature that is cut", format!("{head}.{payload}.{}", &signature[4..])),
        ("another algorithm", signed(&header(Some("rsa"), RS512), &RSA.key())),
        ("a key of another kind", signed(&header(Some("rsa"), ES256), &EC.key())),
    ] {
        assert!(!takes(&verifier, &token), "{what}");
    }
    let modulus = public(&RSA)["n"].as_str().unwrap().to_owned();
    for secret in [
        RSA_PEM.as_bytes().to_vec(),
        format!("{RSA_PEM}\n").into_bytes(),
        RSA.public().as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(&modulus).unwrap(),
        modulus.into_bytes(),
    ] {
        for id in [Some("rsa"), None] {
            let token = signed(&header(id, HS256), &EncodingKey::from_secret(&secret));
            assert!(!takes(&verifier, &token), "{secret:?}");
        }
    }
}

#[test]
fn a_key_is_for_its_own_algorithm_and_for_signatures_alone() {
    let pss = verifier(&[with(&RSA, "alg", "PS256")], &[RS256, PS256]).unwrap();
    assert!(takes(&pss, &signed(&header(Some("rsa"), PS256), &RSA.key())));
    assert!(!takes(&pss, &RSA.sign(&claims("ann"))));
    let encrypts = verifier(&[with(&EC, "use", "enc"), public(&ED)], &[ES256, EdDSA]).unwrap();
    assert_eq!(encrypts.number_of_keys(), 1);
    assert!(takes(&encrypts, &ED.sign(&claims("ann"))));
    assert!(!takes(&encrypts, &EC.sign(&claims("ann"))));
    for (key, algorithms) in [
        (with(&EC, "use", "enc"), [ES256]),
        (with(&EC, "alg", "ES384"), [ES256]),
        (with(&RSA, "alg", "RS512"), [RS256]),
        (public(&RSA), [ES256]),
    ] {
        let why = verifier(&[key], &algorithms).err().unwrap();
        assert!(why.contains("expected a public key for one of"), "{why}");
    }
}

#[test]
fn a_key_that_is_not_the_only_one_is_none() {
    let ec = EC.sign(&claims("ann"));
    let without_id = signed(&header(None, ES256), &EC.key());
    let twice = verifier(&[public(&EC), with(&STRANGER, "kid", "ec")], &[ES256]).unwrap();
    assert!(!takes(&twice, &ec));
    let two = verifier(&[public(&EC), public(&STRANGER)], &[ES256]).unwrap();
    assert!(takes(&two, &ec) && takes(&two, &STRANGER.sign(&claims("ann"))));
    assert!(!takes(&two, &without_id));
    // Of keys of other kinds the algorithm tells it.
    let kinds = verifier(&[public(&EC), with(&ED, "kid", "ec")], &[ES256, EdDSA]).unwrap();
    assert!(takes(&kinds, &ec) && takes(&kinds, &without_id));
}

#[test]
fn a_token_that_demands_an_extension_is_refused() {
    let verifier = verifier(&[public(&EC)], &[ES256]).unwrap();
    assert!(takes(&verifier, &signed(&header(Some("ec"), ES256), &EC.key())));
    for name in ["exp", "b64", "x"] {
        let crit = Some(vec![name.to_owned()]);
        let header = Header { crit, ..header(Some("ec"), ES256) };
        assert!(!takes(&verifier, &signed(&header, &EC.key())), "{name}");
    }
}

#[test]
fn weak_keys_are_left_out_and_a_set_with_a_secret_is_refused() {
    // 1,024 bits.
    let weak = with(&RSA, "n", &base64url(&[0xc5; 128]));
    let both = verifier(&[weak.clone(), public(&EC)], &[RS256, ES256]).unwrap();
    assert_eq!(both.number_of_keys(), 1);
    assert!(takes(&both, &EC.sign(&claims("ann"))));
    assert!(!takes(&both, &RSA.sign(&claims("ann"))));
    let why = verifier(&[weak], &[RS256]).err().unwrap();
    assert!(why.contains("2048 bits"), "{why}");
    // With a secret each that reads the set could sign.
    let secret = json!({ "kty": "oct", "kid": "s", "k": base64url(b"sesame") });
    let why = verifier(&[public(&EC), secret], &[ES256]).err().unwrap();
    assert!(why.contains("expected public keys alone"), "{why}");
}
