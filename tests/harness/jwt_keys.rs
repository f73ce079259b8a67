//! Keys of an identity provider. They sign nothing but the tokens of tests.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::stores::TempDir;

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key with its public part.
pub struct SigningKey {
    id: &'static str,
    algorithm: Algorithm,
    private: &'static str,
    public: &'static str,
}

/// On the curve P-256, for ES256.
pub const EC: SigningKey = SigningKey {
    id: "ec",
    algorithm: Algorithm::ES256,
    private: "-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzGS/0ENPJMG+46Q7\n\
+U8ALu+PnuURkz6MyFFmjyx5Ea6hRANCAASbk7Wub8z35+QjU6AKewBd4qigPizA\n\
wNKyK+nOuvjcXaxFjjb2Eq/mJccLMbiaI9ARJLu8IClezXKzYUJrI2x/\n\
-----END PRIVATE KEY-----",
    public: r#"{"kty":"EC","crv":"P-256","kid":"ec","alg":"ES256","use":"sig","x":"m5O1rm_M9-fkI1OgCnsAXeKooD4swMDSsivpzrr43F0","y":"rEWONvYSr-YlxwsxuJoj0BEku7wgKV7NcrNhQmsjbH8"}"#,
};

/// Ed25519, for EdDSA.
pub const ED: SigningKey = SigningKey {
    id: "ed",
    algorithm: Algorithm::EdDSA,
    private: "-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIBLTA7dhLqaljTkY58anV4YOIDQ0dZcjDrA7NKplV6fC\n\
-----END PRIVATE KEY-----",
    public: r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"_b7du3bBmnjNX0oiRqak4-2crNVl3uL2O6KHbNI8P5c"}"#,
};

/// Another key for ES256, which no provider has.
pub const STRANGER: SigningKey = SigningKey {
    id: "stranger",
    algorithm: Algorithm::ES256,
    private: "-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgs5kX9VWA9YQ7sfu4\n\
Q4Q+XJuTQT/5cj4YzbVQmXXLfgyhRANCAAReo0Y8ZYrydr5TeNLFwOLuXJFMQLT9\n\
m8FDW1Uhqi3fQTfBlgoYROsM2gJMrdKQ7i2pjH8Lr9heYFYi8RMFKTt2\n\
-----END PRIVATE KEY-----",
    public: "",
};

impl SigningKey {
    pub fn key(&self) -> EncodingKey {
        let pem = self.private.as_bytes();
        match self.algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem).unwrap(),
            _ => EncodingKey::from_ed_pem(pem).unwrap(),
        }
    }

    /// The public key as the set of the provider has it.
    pub fn public(&self) -> &'static str {
        self.public
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Value) -> String {
        let kid = Some(self.id.to_owned());
        encode(&Header { kid, ..Header::new(self.algorithm) }, claims, &self.key()).unwrap()
    }
}

/// A provider whose set of keys is a file.
pub struct Provider(TempDir);

impl Default for Provider {
    fn default() -> Self {
        let provider = Self(TempDir::default());
        provider.write(&[&EC, &ED]);
        provider
    }
}

impl Provider {
    pub fn file(&self) -> PathBuf {
        self.0.0.join("jwks.json")
    }

    pub fn write(&self, keys: &[&SigningKey]) {
        let read = |key: &&SigningKey| serde_json::from_str(key.public).unwrap();
        let keys: Vec<Value> = keys.iter().map(read).collect();
        std::fs::write(self.file(), json!({ "keys": keys }).to_string()).unwrap();
    }
}
