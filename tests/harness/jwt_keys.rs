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
    public: r#"{"kty":"EC","crv":"P-256","kid":"stranger","x":"XqNGPGWK8na-U3jSxcDi7lyRTEC0_ZvBQ1tVIaot30E","y":"N8GWChhE6wzaAkyt0pDuLamMfwuv2F5gViLxEwUpO3Y"}"#,
};

/// RSA with 2,048 bits, for RS256 and PS256.
pub const RSA: SigningKey = SigningKey {
    id: "rsa",
    algorithm: Algorithm::RS256,
    private: "-----BEGIN PRIVATE KEY-----\n\
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCpQbPo5HUN+SVg\n\
IQvo6chzzC8TtBy2HcBaaoxtyqOnzgpa7OItITkXYhbl0sBsEs6A/aMoGtyP27Uh\n\
DOYCI5YEEETexDnwGw1RXcLEh6XeD3ecCidOzPtWz8qjH/28bJJ7wCBkPMPG9Egp\n\
L/+A2rgEaLr78I3ATebZpo7wRR6abHWBpkPbre+v/b//TzIIYB358I9O55D30/2Q\n\
heiWy5/1t3Ka+VX5mY82BcC460NEOH7tc3hftOS5EcsEdt8PsCg6jRGVsc4C1hYI\n\
/2LETrsZ5r9cnQXuBGHdkt0/8PK8nH1SWEJ+s7nt19mM0KWYlOFuVOuv/LNDPg0z\n\
pTNj3TnTAgMBAAECggEAGzl/xEa3E1PPcLpwDXtJLGMb8Wnnsl1vurtnsiNFlrC8\n\
FqsCqGqvIbU75KS1Ic0WnUXu7/z+HD+lT1chShfKQgYR5dkfTqEzT7KqqOz+v4yy\n\
Ww2BDBpJlUmgGQQEzsGSAEjDjQv/G6ngT4uyZ9oGfmMQLIUhb9y39KtnU3tytDjZ\n\
uNM4Ho8Sn0mdmAF/iRqj1vX0gYfZZPCf4k6xa9jf6n4Qb2yDPT6UZT7h9lawu2Zw\n\
d3buQqDfcbSg6pc9Vb/MYYoYLkio7TEyW1RQ+iELllu5ZVDwyAasJVa570V/cBUS\n\
/WK7iaUtTO8uu8Xo/siNkdb8ULN1GtWbwZexPZ3/nQKBgQDgVahSkLvSnr5MpCoD\n\
FTGCEuUeyLP1cHs/ga7jGmv/fGBoa0D+QuGEIcHnBLnnIftv3N8eaUoy5XyIB1dF\n\
PGDmZaE38/8wMChsEG6SqBJIPzYMaxNWDwqcN6aEhDmHZs2aKNmnaSU223bXUP8b\n\
/s5D2Xcfg05nf6RUejz2//TU7QKBgQDBJcz8Q0d4hyhh/UT7yolywubIPevACLyL\n\
t4V9wZQZq92IHcyOT+/ranIVfPP0IZQixjvKcvidPjqN6ipM2r/skjYJDQ2kwom7\n\
r6uOLYz/I4Nmv5mK7zL7t+WvlqjFNj/iMRDplp0rVvKtk8ypbv8njyVckYR+fP+3\n\
XAIoeBUxvwKBgBeSKHt0Zae9sjUPUrK8OVV3cseHQxFY3jpP//YwwoQ3p1GRY2TT\n\
1iox+dOyNW5JrceVJ4Rkf71VS35ndw35SB0tNIFSi8+eX8DrARM7waABtEYdwgxa\n\
zDyZxE9MLVdCv/ugqy3h6F0ZNiVth0CDx1xtrwyKmWRajwOpTFqPjkQJAoGAAg6f\n\
AkjNKBF4cqK561ya3igJQTS3oBH3wB0yRMadBzD3aQ24MgPT8FPv5x6vkngRFdW6\n\
qUtULoiNIxnNXYgu5xwfizUiYhDYWrFiSF9f0w/TxHJh9kLZ7ihlP9uA7KjJQWV4\n\
YqSCBAYnC4Y5dcyC1y8FHNlH6fj22EMYmsm8oA0CgYAt2uf/SeN/EX7jpb14NGsw\n\
wKdf/7u+K2WCMrqck2rpf9qecyrcODqPZO/Pp0FE60TY0svyP4XCyKbumGOuq+4f\n\
LRfDCpfRFksfQJKcYm/owU2FtsZ45bqrXoQHqssBS9AbX1D2NLCULefPBNCVHNdn\n\
4lMDhTf+jNOPzu6VJk1Siw==\n\
-----END PRIVATE KEY-----",
    public: r#"{"kty":"RSA","kid":"rsa","n":"qUGz6OR1DfklYCEL6OnIc8wvE7Qcth3AWmqMbcqjp84KWuziLSE5F2IW5dLAbBLOgP2jKBrcj9u1IQzmAiOWBBBE3sQ58BsNUV3CxIel3g93nAonTsz7Vs_Kox_9vGySe8AgZDzDxvRIKS__gNq4BGi6-_CNwE3m2aaO8EUemmx1gaZD263vr_2__08yCGAd-fCPTueQ99P9kIXolsuf9bdymvlV-ZmPNgXAuOtDRDh-7XN4X7TkuRHLBHbfD7AoOo0RlbHOAtYWCP9ixE67Gea_XJ0F7gRh3ZLdP_DyvJx9UlhCfrO57dfZjNClmJThblTrr_yzQz4NM6UzY9050w","e":"AQAB"}"#,
};

/// The public part of that as providers also show it.
pub const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqUGz6OR1DfklYCEL6OnI\n\
c8wvE7Qcth3AWmqMbcqjp84KWuziLSE5F2IW5dLAbBLOgP2jKBrcj9u1IQzmAiOW\n\
BBBE3sQ58BsNUV3CxIel3g93nAonTsz7Vs/Kox/9vGySe8AgZDzDxvRIKS//gNq4\n\
BGi6+/CNwE3m2aaO8EUemmx1gaZD263vr/2//08yCGAd+fCPTueQ99P9kIXolsuf\n\
9bdymvlV+ZmPNgXAuOtDRDh+7XN4X7TkuRHLBHbfD7AoOo0RlbHOAtYWCP9ixE67\n\
Gea/XJ0F7gRh3ZLdP/DyvJx9UlhCfrO57dfZjNClmJThblTrr/yzQz4NM6UzY905\n\
0wIDAQAB\n\
-----END PUBLIC KEY-----";

impl SigningKey {
    pub fn key(&self) -> EncodingKey {
        let pem = self.private.as_bytes();
        match self.algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem).unwrap(),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem).unwrap(),
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
