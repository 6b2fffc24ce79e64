-- Three kinds of records, three tables. What can be computed is computed by PostgreSQL, so that every writer agrees:
-- generated columns and defaults are not among the route's columns.

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
    -- Lower case, spaces to underscores, other signs dropped: "WALL·E: The Movie" -> "walle_the_movie".
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
