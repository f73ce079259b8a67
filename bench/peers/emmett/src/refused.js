// A command that is not carried out, with the HTTP status that says why.

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const invalid = (detail) => new Refused(422, detail);
export const unknown = (detail) => new Refused(404, detail);
export const illegal = (detail) => new Refused(409, detail);
