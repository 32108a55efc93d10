/** By which definitions are recognised, of whichever copy of the SDK they are: under it lies what they hold. */
export const definitionMark = Symbol.for("holdfast.definition");
