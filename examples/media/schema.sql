-- One table for each type of record. PostgreSQL computes generated columns and defaults, so that all writers agree.
-- The route does not name these columns.

CREATE TABLE songs (
    artist_name    text NOT NULL,
    title          text NOT NULL,
    year           bigint,
    release        text,
    ingestion_time timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE movies (
    original_title    text NOT NULL,
    original_language text,
    budget            numeric,
    is_adult          boolean,
    release_date      date,
    ingestion_time    timestamptz NOT NULL DEFAULT now(),
    -- Lower case, underscores for spaces, no other characters: "WALL·E: The Movie" -> "walle_the_movie".
    original_title_normalized text GENERATED ALWAYS AS
        (regexp_replace(replace(lower(original_title), ' ', '_'), '[^[:alnum:]_]', '', 'g')) STORED
);

CREATE TABLE apps (
    name           text NOT NULL,
    genre          text,
    rating         double precision,
    version        text,
    size_bytes     bigint,
    ingestion_time timestamptz NOT NULL DEFAULT now(),
    is_awesome     boolean GENERATED ALWAYS AS (coalesce(rating >= 4.0, false)) STORED
);
