/** The object identifiers that certificates here carry, in dotted form. */

/** ecdsa-with-SHA256 (RFC 5758). */
export const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
/** PKCS#9 extensionRequest (RFC 2985). */
export const extensionRequest = "1.2.840.113549.1.9.14";
/** organizationName (X.520). */
export const organizationName = "2.5.4.10";

/** Certificate extensions (RFC 5280 §4.2.1). */
export const extensionId = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

/** Purposes of extendedKeyUsage. */
export const purpose = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
